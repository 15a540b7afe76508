import { mkdir } from 'node:fs/promises';
import { homedir } from 'node:os';
import type { Logger } from 'pino';
import { readContainerVariables, type Environment } from '../config.ts';
import { prepareContainer, readContainerOrder, type ContainerOrder } from '../desktop/container.ts';
import { StateFile, type DesktopState } from '../desktop/state.ts';
import { GatewayError } from '../errors.ts';
import { createLogger } from '../logger.ts';
import { superviseDesktop } from './supervise-desktop.ts';

/** The desktop of a container, until the container is stopped. Exits with 2 for an order that can't be obeyed. */
export async function runContainer(environment: Environment, stop: AbortSignal): Promise<number> {
  let order: ContainerOrder;
  try {
    order = readContainerOrder(readContainerVariables());
  } catch (thrown) {
    if (!(thrown instanceof GatewayError)) throw thrown;
    process.stderr.write(`nekogate: ${thrown.message}\n`);
    return 2;
  }
  const log = createLogger(environment.logLevel);
  const path = environment.runtimeDir;
  await mkdir(path, { recursive: true, mode: 0o700 });
  const folder = await prepareContainer(path, homedir());
  const states = new StateFile(path, log);
  const tell = tellLog(log);
  const onState = (state: DesktopState): void => {
    states.write(state);
    tell(state);
  };
  try {
    return await superviseDesktop({ ...order, folder, onState }, environment, { stop, log });
  } finally {
    await states.idle;
  }
}

/** `docker logs` tells how far it is; losses and failures stand there already. */
function tellLog(log: Logger): (state: DesktopState) => void {
  let told = '';
  return ({ state, stage, streamer, display }) => {
    const text = state === 'running' ? `the desktop runs on display ${display} (${streamer.kind})` : stage;
    if (text !== undefined && text !== told) log.info(text);
    told = text ?? '';
  };
}
