import { z } from 'zod';
import { GatewayError } from '../../../errors.ts';
import { ELEMENT_NAME_MAX, ELEMENT_VALUE_MAX, type ElementFacts } from '../../../protocol/accessibility.ts';
import { Reference, type AtSpi, type Place } from './atspi.ts';
import { statesOf, type StateName } from './states.ts';

export const FACE = {
  accessible: 'org.a11y.atspi.Accessible',
  action: 'org.a11y.atspi.Action',
  component: 'org.a11y.atspi.Component',
  editableText: 'org.a11y.atspi.EditableText',
  selection: 'org.a11y.atspi.Selection',
  text: 'org.a11y.atspi.Text',
  value: 'org.a11y.atspi.Value',
} as const;

/** Actions of its own that an element tells; more are left out. */
const ACTIONS_MAX = 16;
const SCREEN_COORDINATES = 0;
/** What has no place tells the smallest number as one. */
const NOWHERE = -0x8000_0000;
const PASSWORD = 'password text';
/** What a reference may be; programs make them up. */
const PROGRAM = /^:\d{1,9}\.\d{1,9}$/;
const PATH = /^[A-Za-z0-9_/]{1,200}$/;
/** The path of a child that its program has not made yet. */
const NOT_MADE = '/null';

const Strings = z.tuple([z.array(z.string())]);
const Name = z.string();

/** One element, with what can be known of it without its children. */
export interface Read {
  facts: ElementFacts;
  states: readonly StateName[];
  faces: ReadonlySet<string>;
  /** The names of its actions as its program has them, by their index. */
  ownActions: readonly string[];
}

/** @throws GatewayError ELEMENT_GONE | TOOLS_FAILED */
export async function readElement(atSpi: AtSpi, place: Place): Promise<Read> {
  const [[faceNames], [role], name, states] = await Promise.all([
    atSpi.call(place, FACE.accessible, 'GetInterfaces', Strings),
    atSpi.call(place, FACE.accessible, 'GetRoleName', z.tuple([z.string()])),
    atSpi.property(place, FACE.accessible, 'Name', Name),
    readStates(atSpi, place),
  ]);
  // GTK answers for a widget that it has destroyed, with nothing; only programs themselves have no states while they live.
  if (states.includes('defunct') || (states.length === 0 && role !== 'application'))
    throw new GatewayError('ELEMENT_GONE', 'the element is not there any more');
  const faces = new Set(faceNames);
  const [box, ownActions, value] = await Promise.all([
    faces.has(FACE.component) ? readBox(atSpi, place) : null,
    faces.has(FACE.action) ? readActions(atSpi, place) : [],
    role === PASSWORD ? undefined : readValue(atSpi, place, { faces, states }),
  ]);
  return {
    facts: {
      ref: atSpi.refOf(place),
      role: role.slice(0, 64),
      name: name.slice(0, ELEMENT_NAME_MAX),
      ...(value !== undefined && { value }),
      states,
      box,
      actions: actionsOf(faces, states, ownActions),
    },
    states,
    faces,
    ownActions,
  };
}

export async function readStates(atSpi: AtSpi, place: Place): Promise<StateName[]> {
  const [words] = await atSpi.call(place, FACE.accessible, 'GetState', z.tuple([z.array(z.number()).max(8)]));
  return statesOf(words);
}

/** @throws GatewayError ELEMENT_GONE | TOOLS_FAILED */
export async function readChildren(atSpi: AtSpi, place: Place): Promise<Place[]> {
  const [children] = await atSpi.call(place, FACE.accessible, 'GetChildren', z.tuple([z.array(Reference)]));
  return children.filter(({ program, path }) => PROGRAM.test(program) && PATH.test(path) && !path.endsWith(NOT_MADE));
}

async function readBox(atSpi: AtSpi, place: Place): Promise<ElementFacts['box']> {
  const Extents = z.tuple([z.tuple([z.int(), z.int(), z.int(), z.int()])]);
  const asked = { signature: 'u', body: [SCREEN_COORDINATES] };
  const [[x, y, width, height]] = await atSpi.call(place, FACE.component, 'GetExtents', Extents, asked);
  return x === NOWHERE || width <= 0 || height <= 0 ? null : { x, y, width, height };
}

async function readActions(atSpi: AtSpi, place: Place): Promise<string[]> {
  const Actions = z.tuple([z.array(z.tuple([z.string(), z.string(), z.string()]))]);
  const [actions] = await atSpi.call(place, FACE.action, 'GetActions', Actions);
  return actions.slice(0, ACTIONS_MAX).map(([name]) => name.slice(0, 64));
}

async function readValue(
  atSpi: AtSpi,
  place: Place,
  { faces, states }: Pick<Read, 'faces' | 'states'>,
): Promise<string | number | undefined> {
  if (states.includes('editable') && faces.has(FACE.text)) {
    const part = { signature: 'ii', body: [0, ELEMENT_VALUE_MAX] };
    const [text] = await atSpi.call(place, FACE.text, 'GetText', z.tuple([z.string()]), part);
    return text.slice(0, ELEMENT_VALUE_MAX);
  }
  if (!faces.has(FACE.value)) return undefined;
  const value = await atSpi.property(place, FACE.value, 'CurrentValue', z.union([z.number(), z.nan()]));
  return Number.isFinite(value) ? value : undefined;
}

/** The names that `act` takes. Its first own action is what a click does; others are by their names. */
function actionsOf(faces: ReadonlySet<string>, states: readonly StateName[], own: readonly string[]): string[] {
  const general: Record<string, boolean> = {
    press: own.length > 0,
    focus: faces.has(FACE.component) && states.includes('focusable'),
    setText: faces.has(FACE.editableText) && states.includes('editable'),
    setValue: faces.has(FACE.value),
    select: states.includes('selectable'),
    expand: states.includes('expandable') && !states.includes('expanded'),
    collapse: states.includes('expandable') && states.includes('expanded'),
  };
  const names = Object.keys(general).filter((name) => general[name]);
  return [...new Set([...names, ...own.slice(1).filter((name) => name !== '')])];
}
