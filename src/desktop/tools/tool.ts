import type { Readable } from 'node:stream';
import type { Logger } from 'pino';
import type { SessionSpec } from '../../protocol/session.ts';
import type { ToolInput, ToolName, ToolReply } from '../../protocol/tools.ts';
import type { DesktopEnvironment } from '../environment.ts';
import type { XServer } from '../x-server.ts';

/** What tools work on. */
export interface ToolSite {
  spec: SessionSpec;
  environment: DesktopEnvironment;
  /** The one that runs now, and another one after it was started anew. @throws GatewayError SESSION_NOT_RUNNING in between */
  getXServer: () => Pick<XServer, 'display' | 'cookie'>;
  /** The PulseAudio source of what is played; a desktop without sound has none. */
  audioDevice: string | undefined;
  log: Logger;
}

export interface ToolCall<Name extends ToolName> {
  input: ToolInput<Name>;
  /** Empty where the tool takes no bytes. */
  body: Readable;
  /** Aborted when nobody waits for the answer any more. */
  signal: AbortSignal;
}

/** What is answered in bytes; destroyed when nobody takes them. */
export interface BytesAnswer {
  /** As Content-Type has it. */
  type: string;
  /** How many, where that is known. */
  length?: number;
  body: Readable;
}

export type ToolHandler<Name extends ToolName> = (call: ToolCall<Name>) => Promise<ToolReply<Name, BytesAnswer>>;
/** One a tool: a new one breaks the build until it is handled. */
export type ToolHandlers = { [Name in ToolName]: ToolHandler<Name> };
