/** AT-SPI's states by their bits (AtspiStateType, at-spi2-core 2.46). */
const STATES = [
  'invalid',
  'active',
  'armed',
  'busy',
  'checked',
  'collapsed',
  'defunct',
  'editable',
  'enabled',
  'expandable',
  'expanded',
  'focusable',
  'focused',
  'has-tooltip',
  'horizontal',
  'iconified',
  'modal',
  'multi-line',
  'multiselectable',
  'opaque',
  'pressed',
  'resizable',
  'selectable',
  'selected',
  'sensitive',
  'showing',
  'single-line',
  'stale',
  'transient',
  'vertical',
  'visible',
  'manages-descendants',
  'indeterminate',
  'required',
  'truncated',
  'animated',
  'invalid-entry',
  'supports-autocompletion',
  'selectable-text',
  'is-default',
  'visited',
  'checkable',
  'has-popup',
  'read-only',
] as const;

export type StateName = (typeof STATES)[number];

/** The names of the bits that are set, of words of 32 bits with the lowest first; bits without a name here are left out. */
export function statesOf(words: readonly number[]): StateName[] {
  return STATES.filter((_name, bit) => (((words[bit >> 5] ?? 0) >>> (bit & 31)) & 1) === 1);
}
