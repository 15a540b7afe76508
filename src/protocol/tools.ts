// What a session's desktop does for programs beside pixels. The gateway asks by a tunnel, as http-tunnel.ts has it; the agent passes that on to
// the HTTP service of the session's supervisor: `POST /TOOL`, the input as a JSON body, or where the body is bytes as `?input=JSON`.
import { z } from 'zod';

/** A path with its input; a longer one is refused with BAD_FRAME. */
const PATH_MAX_LENGTH = 32_768;
/** Windows of one desktop; more are left out. */
export const WINDOWS_MAX = 500;
/** Of a window's title and class; longer ones are cut. */
export const WINDOW_TEXT_MAX = 1024;
/** A tool's answer in JSON, in bytes; a longer one fails as TOOLS_FAILED. */
export const TOOL_ANSWER_MAX_BYTES = 8 * 1024 * 1024;

/** What the agent is asked to pass on: a tool by its name, and its input where the body is bytes. */
export const ToolHead = z.object({
  path: z
    .string()
    .max(PATH_MAX_LENGTH)
    .regex(/^\/[a-z][a-zA-Z]{0,63}(?:\?input=[\w.~%!'()*-]*)?$/),
});
export type ToolHead = z.infer<typeof ToolHead>;

/** A window's id: X's own, as a decimal number. */
export const WindowId = z.string().regex(/^[1-9]\d{0,9}$/, 'is no id of a window');

export const DesktopWindow = z.object({
  id: WindowId,
  title: z.string().max(WINDOW_TEXT_MAX),
  class: z.string().max(WINDOW_TEXT_MAX).describe('Of its program, as WM_CLASS has it: like Chromium or XTerm'),
  pid: z.int().nullable().describe("Its program's process in the session, where the program says"),
  x: z.int().describe("Pixels of the screen, of the window's content without its frame"),
  y: z.int(),
  width: z.int(),
  height: z.int(),
  isActive: z.boolean().describe('Whether keys go to it'),
});
export type DesktopWindow = z.infer<typeof DesktopWindow>;

export const WindowList = z.object({
  windows: z.array(DesktopWindow).max(WINDOWS_MAX).describe('The oldest first; minimized ones too'),
});
export const FocusedWindow = z.object({ window: DesktopWindow.nullable().describe('Null where keys go to none') });

export interface ToolContract {
  input: z.ZodType;
  /** What comes beside the input; nothing where left out. */
  body?: 'bytes';
  /** JSON of this shape, or bytes. */
  reply: z.ZodType | 'bytes';
}

/** Every tool: what it takes and what it answers. */
export const TOOLS = {
  listWindows: { input: z.object({}), reply: WindowList },
  findFocusedWindow: { input: z.object({}), reply: FocusedWindow },
} as const satisfies Record<string, ToolContract>;

export type ToolName = keyof typeof TOOLS;
type Contract<Name extends ToolName> = (typeof TOOLS)[Name];
export type ToolInput<Name extends ToolName> = z.output<Contract<Name>['input']>;
/** Bytes are what the one who asks or answers has them as. */
export type ToolReply<Name extends ToolName, Bytes> = Contract<Name>['reply'] extends z.ZodType
  ? z.output<Contract<Name>['reply']>
  : Bytes;

/** What a tool takes and answers, whichever it is. */
export function contractOf(name: ToolName): ToolContract {
  return TOOLS[name];
}

export function isToolName(name: string): name is ToolName {
  return Object.hasOwn(TOOLS, name);
}
