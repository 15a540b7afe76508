import { ActedElement, ElementTree, type ElementFacts } from '../protocol/accessibility.ts';
import type { CallApi, CallOptions } from './http.ts';
import { pathOf } from './sessions.ts';

/** What to read, and how far. */
export interface TreeOptions extends CallOptions {
  /** Only what is in this window. */
  window?: string;
  /** Levels below a program: 50, 100 at most. */
  depth?: number;
  /** Elements in all: 1000, 5000 at most. */
  max?: number;
  /** Also what does not show. */
  hidden?: boolean;
}

export interface ActOnElementOptions extends CallOptions {
  /** The text of setText, the number of setValue. */
  value?: string | number;
}

/** What a desktop's programs tell of their elements. */
export interface Accessibility {
  tree(options?: TreeOptions): Promise<ElementTree>;
  /**
   * Does one of the element's `actions`, and answers it as it is then; undefined where it is gone.
   * @throws NekogateError ELEMENT_GONE | ACTION_INVALID | CONTROL_TAKEN
   */
  act(ref: string, action: string, options?: ActOnElementOptions): Promise<ElementFacts | undefined>;
}

export function accessibilityOf(callApi: CallApi, sessionId: string): Accessibility {
  const path = `${pathOf(sessionId)}/accessibility`;
  return {
    tree: ({ window, depth, max, hidden, ...options } = {}) =>
      callApi(
        {
          method: 'GET',
          path,
          query: {
            window,
            depth,
            max,
            hidden: hidden === undefined ? undefined : String(hidden),
          },
          reply: ElementTree,
        },
        options,
      ),
    act: async (ref, action, { value, ...options } = {}) => {
      const body = { ref, action, value };
      const { element } = await callApi({ method: 'POST', path: `${path}/act`, body, reply: ActedElement }, options);
      return element ?? undefined;
    },
  };
}
