import { mkdir, readFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { Logger } from 'pino';
import { z } from 'zod';
import { WholeFile } from '../../process/whole-file.ts';

const Choices = z.record(z.string(), z.array(z.number().int().min(1).max(65_535)));

/** The local ports that each container had last, by its id: it has them again when they are free, after a restart of the proxy too. */
export class PortChoices {
  readonly #ports: Map<string, number[]>;
  readonly #file: WholeFile;

  private constructor(ports: Map<string, number[]>, file: WholeFile) {
    this.#ports = ports;
    this.#file = file;
  }

  static async open(file: string, log: Logger): Promise<PortChoices> {
    await mkdir(dirname(file), { recursive: true, mode: 0o700 });
    const text = await readFile(file, 'utf8').catch(() => '{}');
    return new PortChoices(new Map(Object.entries(parse(text, log))), new WholeFile(file, log));
  }

  /** In the order of the container's wishes. */
  of(containerId: string): readonly number[] {
    return this.#ports.get(containerId) ?? [];
  }

  set(containerId: string, ports: number[]): void {
    if (ports.join() === this.of(containerId).join()) return;
    this.#ports.set(containerId, ports);
    this.#write();
  }

  delete(containerId: string): void {
    if (this.#ports.delete(containerId)) this.#write();
  }

  /** Forgets containers that aren't there any more. */
  keep(containerIds: readonly string[]): void {
    for (const id of this.#ports.keys()) if (!containerIds.includes(id)) this.delete(id);
  }

  /** Resolves once all is written. */
  async close(): Promise<void> {
    await this.#file.idle;
  }

  #write(): void {
    this.#file.write(JSON.stringify(Object.fromEntries(this.#ports)));
  }
}

function parse(text: string, log: Logger): z.infer<typeof Choices> {
  try {
    return Choices.parse(JSON.parse(text));
  } catch (error) {
    log.warn({ err: error }, 'what containers had as ports is not readable; they get new ones');
    return {};
  }
}
