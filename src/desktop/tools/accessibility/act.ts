import { z } from 'zod';
import { GatewayError } from '../../../errors.ts';
import type { ElementAction, ElementFacts } from '../../../protocol/accessibility.ts';
import { Reference, type Arguments, type AtSpi, type Place } from './atspi.ts';
import { FACE, readElement, type Read } from './element.ts';

/** What programs call the action that opens and closes an element. */
const EXPANDING = /expand|collapse|open|toggle/i;

const Done = z.tuple([z.boolean()]);

/**
 * Does it, and answers the element as it is then; undefined where that is gone.
 * @throws GatewayError ELEMENT_GONE | ACTION_INVALID when the element can't do that, or its program refused | TOOLS_FAILED
 */
export async function actOn(atSpi: AtSpi, { ref, action, value }: ElementAction): Promise<ElementFacts | undefined> {
  const place = atSpi.placeOf(ref);
  const read = await readElement(atSpi, place);
  await perform(atSpi, place, read, { action, value });
  return await readElement(atSpi, place).then(
    ({ facts }) => facts,
    // A dialog goes with its button.
    () => undefined,
  );
}

async function perform(
  atSpi: AtSpi,
  place: Place,
  { facts, states, ownActions, faces }: Read,
  { action, value }: Pick<ElementAction, 'action' | 'value'>,
): Promise<void> {
  const call = async (face: string, member: string, args?: Arguments, on = place): Promise<void> => {
    const [isDone] = await atSpi.call(on, face, member, Done, args);
    if (!isDone) throw invalid(`${facts.role} ${JSON.stringify(facts.name)} did not ${action}`);
  };
  const doAction = (index: number): Promise<void> => call(FACE.action, 'DoAction', { signature: 'i', body: [index] });
  const own = ownActions.indexOf(action);
  if (!facts.actions.includes(action) && !isThere(action, states))
    throw invalid(
      `${facts.role} ${JSON.stringify(facts.name)} takes ${facts.actions.join(', ') || 'no action'}, not ${action}`,
    );
  switch (action) {
    case 'press':
      return await doAction(0);
    case 'focus':
      return await call(FACE.component, 'GrabFocus');
    case 'setText':
      if (typeof value !== 'string') throw invalid('setText asks for a text as value');
      return await call(FACE.editableText, 'SetTextContents', { signature: 's', body: [value] });
    case 'setValue':
      return await setValue(atSpi, place, value);
    case 'select':
      return await select(atSpi, place, call);
    case 'expand':
    case 'collapse': {
      if (isThere(action, states)) return;
      const index = ownActions.findIndex((name) => EXPANDING.test(name));
      if (index < 0 && !faces.has(FACE.action)) throw invalid(`the element can't ${action} by itself; click it`);
      return await doAction(Math.max(0, index));
    }
    default:
      return await doAction(own);
  }
}

/** What is as it should be isn't turned around. */
function isThere(action: string, states: Read['states']): boolean {
  if (action === 'expand') return states.includes('expanded');
  return action === 'collapse' && states.includes('expandable') && !states.includes('expanded');
}

async function setValue(atSpi: AtSpi, place: Place, value: string | number | undefined): Promise<void> {
  if (typeof value !== 'number') throw invalid('setValue asks for a number as value');
  await atSpi.setProperty(place, FACE.value, 'CurrentValue', { signature: 'd', value });
}

/** Selecting is the parent's to do. */
async function select(
  atSpi: AtSpi,
  place: Place,
  call: (face: string, member: string, args: Arguments, on: Place) => Promise<void>,
): Promise<void> {
  const [parent, [index]] = await Promise.all([
    atSpi.property(place, FACE.accessible, 'Parent', Reference),
    atSpi.call(place, FACE.accessible, 'GetIndexInParent', z.tuple([z.int()])),
  ]);
  await call(FACE.selection, 'SelectChild', { signature: 'i', body: [index] }, parent);
}

function invalid(message: string): GatewayError {
  return new GatewayError('ACTION_INVALID', message);
}
