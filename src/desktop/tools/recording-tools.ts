import type { RecordedDisplay } from './recording-run.ts';
import { Recordings } from './recordings.ts';
import type { Seat } from './seat.ts';
import type { ToolHandlers, ToolSite } from './tool.ts';

type RecordingTools = Pick<
  ToolHandlers,
  'startRecording' | 'stopRecording' | 'listRecordings' | 'getRecording' | 'readRecording' | 'deleteRecording'
>;

/** A desktop's recordings, which are looked for in its home at the first call. */
export class RecordingDesk {
  readonly handlers: RecordingTools;
  readonly #site: ToolSite;
  readonly #seat: Seat;
  #opening: Promise<Recordings> | undefined;

  constructor(site: ToolSite, seat: Seat) {
    this.#site = site;
    this.#seat = seat;
    this.handlers = {
      startRecording: async ({ input }) => (await this.#open()).start(input),
      stopRecording: async ({ input: { id } }) => (await this.#open()).stop(id),
      listRecordings: async () => ({ recordings: (await this.#open()).list() }),
      getRecording: async ({ input: { id } }) => (await this.#open()).get(id),
      readRecording: async ({ input: { id, start, end } }) => {
        const file = await (await this.#open()).openFile(id);
        // It closes the file at its end.
        return { type: 'video/mp4', body: file.createReadStream({ start, end }) };
      },
      deleteRecording: async ({ input: { id } }) => (await this.#open()).remove(id),
    };
  }

  /** Ends those that are being made. */
  async close(): Promise<void> {
    await (await this.#opening)?.close();
  }

  #open(): Promise<Recordings> {
    const { environment, audioDevice, log } = this.#site;
    return (this.#opening ??= Recordings.open({
      environment,
      audioDevice,
      log,
      takeDisplay: () => this.#takeDisplay(),
    }));
  }

  async #takeDisplay(): Promise<RecordedDisplay> {
    const { display } = await this.#seat.take();
    return { name: this.#site.getXServer().display, display };
  }
}
