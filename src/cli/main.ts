#!/usr/bin/env node
import { readEnvironment, type Environment } from '../config.ts';
import { GatewayError } from '../errors.ts';
import { NekogateError } from '../sdk/errors.ts';
import { UsageError } from './usage-error.ts';

type Subcommand = { summary: string; run: (args: string[], environment: Environment) => Promise<number> };

/** One module a subcommand, loaded only when it is asked for: `nekogate desktop` need not load a web server. */
const SUBCOMMANDS: Record<string, Subcommand> = {
  up: {
    summary: 'gateway, agent and a first desktop on this machine',
    run: async (args, environment) => (await import('./up.ts')).runUp(args, environment),
  },
  gateway: {
    summary: 'the gateway alone',
    run: async (args, environment) => (await import('./gateway.ts')).runGateway(args, environment),
  },
  agent: {
    summary: "a host's agent; `agent enroll` makes its key",
    run: async (args, environment) => (await import('./agent.ts')).runAgent(args, environment),
  },
  desktop: {
    summary: 'one supervised desktop, without a gateway',
    run: async (args, environment) => (await import('./desktop.ts')).runDesktop(args, environment),
  },
  vnc: {
    summary: 'a session for VNC clients on this machine',
    run: async (args, environment) => (await import('./vnc.ts')).runVnc(args, environment),
  },
  'docker-proxy': {
    summary: 'a remote Docker host as if it were local; `docker-proxy status` shows it',
    run: async (args, environment) => (await import('./docker-proxy.ts')).runDockerProxy(args, environment),
  },
  do: {
    summary: "run actions at a session's desktop",
    run: async (args, environment) => (await import('./do.ts')).runDo(args, environment),
  },
  screenshot: {
    summary: "a picture of a session's screen",
    run: async (args, environment) => (await import('./screenshot.ts')).runScreenshot(args, environment),
  },
  mcp: {
    summary: 'sessions and their desktops as tools of the Model Context Protocol',
    run: async (args, environment) => (await import('./mcp.ts')).runMcp(args, environment),
  },
  doctor: {
    summary: 'what this machine can do, and what to install',
    run: async (args, environment) => (await import('./doctor.ts')).runDoctor(args, environment),
  },
};

function usage(): string {
  const lines = Object.entries(SUBCOMMANDS).map(([name, { summary }]) => `  ${name.padEnd(12)} ${summary}`);
  return `usage: nekogate COMMAND [options]\n\n${lines.join('\n')}\n\n\`nekogate COMMAND --help\` tells a command's options.\n`;
}

async function main([name, ...args]: string[]): Promise<number> {
  if (name === undefined || name === '--help' || name === 'help') {
    process.stdout.write(usage());
    return name === undefined ? 2 : 0;
  }
  const subcommand = Object.hasOwn(SUBCOMMANDS, name) ? SUBCOMMANDS[name] : undefined;
  if (!subcommand) {
    process.stderr.write(`nekogate: there is no command "${name}"\n\n${usage()}`);
    return 2;
  }
  return subcommand.run(args, readEnvironment());
}

try {
  process.exitCode = await main(process.argv.slice(2));
} catch (thrown) {
  // An operator reads this: our own failures say enough by themselves, anything else needs its stack.
  const text =
    thrown instanceof GatewayError || thrown instanceof NekogateError
      ? `${thrown.code}: ${thrown.message}`
      : thrown instanceof Error
        ? isUsageError(thrown)
          ? thrown.message
          : (thrown.stack ?? thrown.message)
        : String(thrown);
  process.stderr.write(`nekogate: ${text}\n`);
  process.exitCode = thrown instanceof Error && isUsageError(thrown) ? 2 : 1;
}

/** Ours, and what `parseArgs` throws for an option that it doesn't know. */
function isUsageError(error: Error): boolean {
  if (error instanceof UsageError) return true;
  return 'code' in error && typeof error.code === 'string' && error.code.startsWith('ERR_PARSE_ARGS');
}
