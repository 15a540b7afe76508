import { z } from 'zod';
import { GatewayError } from '../../errors.ts';
import { contractOf, type ToolInput, type ToolName, type ToolReply } from '../../protocol/tools.ts';
import { accessibilityTools } from './accessibility-tools.ts';
import { clipboardTools } from './clipboard-tools.ts';
import { fileTools } from './file-tools.ts';
import { launchTools } from './launch-tools.ts';
import { Launcher } from './launcher.ts';
import { RecordingDesk } from './recording-tools.ts';
import { Seat } from './seat.ts';
import type { BytesAnswer, ToolCall, ToolHandlers, ToolSite } from './tool.ts';
import { windowTools } from './window-tools.ts';

/** All tools of one desktop, with what they keep between calls. */
export class Toolbox {
  readonly #seat: Seat;
  readonly #launcher: Launcher;
  readonly #recordings: RecordingDesk;
  readonly #handlers: ToolHandlers;

  constructor(site: ToolSite) {
    this.#seat = new Seat(site);
    this.#launcher = new Launcher(site, this.#seat);
    this.#recordings = new RecordingDesk(site, this.#seat);
    this.#handlers = {
      describeDisplay: async () => ({ display: site.getXServer().display }),
      ...windowTools(this.#seat),
      ...launchTools(site, this.#launcher),
      ...clipboardTools(this.#seat),
      ...fileTools(site.environment.folder.home),
      ...this.#recordings.handlers,
      ...accessibilityTools(site, this.#seat),
    };
  }

  /** @throws GatewayError BAD_REQUEST for an input that isn't one, and what the tool throws */
  async call<Name extends ToolName>(
    name: Name,
    input: unknown,
    rest: Omit<ToolCall<Name>, 'input'>,
  ): Promise<ToolReply<Name, BytesAnswer>> {
    const parsed = contractOf(name).input.safeParse(input);
    if (!parsed.success) throw new GatewayError('BAD_REQUEST', z.prettifyError(parsed.error));
    try {
      // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the tool's own schema has read it; TypeScript can't follow that through an indexed access
      return await this.#handlers[name]({ ...rest, input: parsed.data as ToolInput<Name> });
    } catch (thrown) {
      throw await this.#seat.explain(thrown);
    }
  }

  async close(): Promise<void> {
    await this.#launcher.close();
    await this.#recordings.close();
    await this.#seat.close();
  }
}
