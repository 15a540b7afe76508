import { ElementAction, TreeQuery } from '../protocol/accessibility.ts';
import type { AddTool } from './tool-adder.ts';

/** Elements of the programs: found by role and name, and used by their refs. */
export function addAccessibilityTools(add: AddTool): void {
  add('computer_accessibility_tree', {
    description:
      'The elements that programs show, with role, name, value, states, box in the screen, and the actions of each',
    isLooking: true,
    input: TreeQuery,
    run: (desktop, { window, ...query }, options) =>
      desktop.accessibility.tree({ ...query, ...(window !== undefined && { window }), ...options }),
  });
  add('computer_accessibility_act', {
    description:
      'Do one of the actions of an element, such as press, focus, setText; the answer is the element after that',
    input: ElementAction,
    run: async (desktop, { ref, action, value }, options) => ({
      element:
        (await desktop.accessibility.act(ref, action, { ...(value !== undefined && { value }), ...options })) ?? null,
    }),
  });
}
