// A desktop's elements, as its programs tell them by AT-SPI.
import { z } from 'zod';

/** Elements of one answer. */
export const ELEMENTS_MAX = 5000;
const DEPTH_MAX = 100;
/** Of a name; a longer one is cut. */
export const ELEMENT_NAME_MAX = 1000;
/** Of a value; a longer one is cut. */
export const ELEMENT_VALUE_MAX = 4000;
const TEXT_MAX = 20_000;

/** The bus's, the program's and its own: the same element has the same for as long as it is there. */
export const ElementRef = z
  .string()
  .max(300)
  .regex(/^[0-9a-f]{8}:\d{1,9}\.\d{1,9}:[A-Za-z0-9_/]+$/, 'is no ref of an element');

export const TreeQuery = z.strictObject({
  window: z
    .string()
    .regex(/^[1-9]\d{0,9}$/, 'is no id of a window')
    .optional()
    .describe('Only what is in this window'),
  depth: z.coerce.number().int().min(1).max(DEPTH_MAX).default(50).describe('Levels below a program'),
  max: z.coerce.number().int().min(1).max(ELEMENTS_MAX).default(1000).describe('Elements in all'),
  hidden: z.stringbool().or(z.boolean()).default(false).describe('Also what does not show'),
});
export type TreeQuery = z.output<typeof TreeQuery>;

export const ElementFacts = z.object({
  ref: ElementRef,
  role: z.string().max(64).describe('As AT-SPI has it: push button, text, check box, frame, document web'),
  name: z.string().max(ELEMENT_NAME_MAX),
  value: z
    .union([z.string().max(ELEMENT_VALUE_MAX), z.number()])
    .optional()
    .describe('Of what can be edited or set; never of a password'),
  states: z.array(z.string().max(32)).max(64),
  box: z
    .object({ x: z.int(), y: z.int(), width: z.int(), height: z.int() })
    .nullable()
    .describe('Pixels of the screen; null where it has no place'),
  actions: z
    .array(z.string().max(64))
    .max(32)
    .describe(
      'What can be done with it: press, focus, setText, setValue, select, expand, collapse, or a name of its own',
    ),
});
export type ElementFacts = z.infer<typeof ElementFacts>;

export const Element: z.ZodType<Element> = ElementFacts.extend({
  get children() {
    return z.array(Element);
  },
  isWhole: z
    .boolean()
    .describe('False where children were left out, for a limit or because the program did not answer'),
});
export interface Element extends ElementFacts {
  children: Element[];
  isWhole: boolean;
}

export const ElementTree = z.object({
  programs: z.array(Element).describe('One for each program that tells of its elements'),
  isWhole: z.boolean().describe('Whether nothing was left out but what does not show'),
});
export type ElementTree = z.infer<typeof ElementTree>;

export const ElementAction = z
  .strictObject({
    ref: ElementRef,
    action: z.string().min(1).max(64),
    value: z
      .union([z.string().max(TEXT_MAX), z.number()])
      .optional()
      .describe('The text of setText, the number of setValue'),
  })
  .describe('One action on one element');
export type ElementAction = z.output<typeof ElementAction>;

export const ActedElement = z.object({
  element: ElementFacts.nullable().describe('As it is after that; null where it is gone'),
});
