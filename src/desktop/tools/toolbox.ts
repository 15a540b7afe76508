import { z } from 'zod';
import { GatewayError } from '../../errors.ts';
import { contractOf, type ToolInput, type ToolName, type ToolReply } from '../../protocol/tools.ts';
import { Seat } from './seat.ts';
import type { BytesAnswer, ToolCall, ToolHandlers, ToolSite } from './tool.ts';
import { windowTools } from './window-tools.ts';

/** All tools of one desktop, with what they keep between calls. */
export class Toolbox {
  readonly #seat: Seat;
  readonly #handlers: ToolHandlers;

  constructor(site: ToolSite) {
    this.#seat = new Seat(site);
    this.#handlers = { ...windowTools(this.#seat) };
  }

  /** @throws GatewayError BAD_REQUEST for an input that isn't one, and what the tool throws */
  call<Name extends ToolName>(
    name: Name,
    input: unknown,
    rest: Omit<ToolCall<Name>, 'input'>,
  ): Promise<ToolReply<Name, BytesAnswer>> {
    const parsed = contractOf(name).input.safeParse(input);
    if (!parsed.success) throw new GatewayError('BAD_REQUEST', z.prettifyError(parsed.error));
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the tool's own schema has read it; TypeScript can't follow that through an indexed access
    return this.#handlers[name]({ ...rest, input: parsed.data as ToolInput<Name> });
  }

  async close(): Promise<void> {
    await this.#seat.close();
  }
}
