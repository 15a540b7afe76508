// The embedded streamer's program: `node main.ts serve --server.bind 127.0.0.1:18100 --desktop.display :1 ...`, with neko's
// own flags and NEKO_ variables. Exits with 0 after SIGTERM or SIGINT, 1 when its X server is gone, 2 for a setting that it
// doesn't support. The log is on stderr, a line each.
import { pino, type Logger } from 'pino';
import { FlagError } from './flag-readers.ts';
import { type Flags, listFlags, readFlags } from './flags.ts';
import { Streamer } from './streamer.ts';

// oxlint-disable-next-line node/no-process-env -- a program of its own, set up as neko is; src/config.ts is nekogate's
const environment = process.env;

process.exitCode = await main(process.argv.slice(2), environment);

async function main([command, ...args]: string[], env: NodeJS.ProcessEnv): Promise<number> {
  try {
    if (command !== 'serve') throw new FlagError(`the only command is "serve", not ${JSON.stringify(command ?? '')}`);
    return await serve(readFlags(args, env), env);
  } catch (error) {
    if (!(error instanceof FlagError)) throw error;
    // The reason last: of a long log, the end is what people see.
    process.stderr.write(`supported are, each also as NEKO_A_B for --a.b:\n${listFlags()}\n${error.message}\n`);
    return 2;
  }
}

async function serve(flags: Flags, env: NodeJS.ProcessEnv): Promise<number> {
  const logger = createLogger(flags);
  const display = flags['desktop.display'] || (env['DISPLAY'] ?? '');
  const stopped = Promise.withResolvers<void>();
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => stopped.resolve());
  try {
    await using streamer = await Streamer.start(
      { ...flags, 'desktop.display': display },
      childEnvironment(env),
      logger,
    );
    logger.info({ port: streamer.port, display }, 'neko (embedded) is serving');
    const failure = await Promise.race([stopped.promise, streamer.failed]);
    if (failure === undefined) return 0;
    logger.fatal(failure.message);
    return 1;
  } catch (error) {
    logger.fatal({ err: error }, error instanceof Error ? error.message : 'cannot start');
    return 1;
  }
}

/** What the programs that we start get: everything but neko's own settings, which hold passwords. */
function childEnvironment(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(env).filter(([name]) => !name.startsWith('NEKO_')));
}

function createLogger(flags: Flags): Logger {
  const level = flags.debug ? 'debug' : flags['log.level'];
  return pino(
    { level: level === 'disabled' ? 'silent' : level, base: null, timestamp: pino.stdTimeFunctions.isoTime },
    pino.destination({ dest: 2, sync: true }),
  );
}
