import { parseArgs } from 'node:util';
import { StdioServerTransport } from '@modelcontextprotocol/sdk/server/stdio.js';
import type { Environment } from '../config.ts';
import { Desks } from '../mcp/desks.ts';
import { listenMcp, type ListenOptions } from '../mcp/listen.ts';
import type { Scope } from '../mcp/scope.ts';
import { createMcpServer } from '../mcp/server.ts';
import { reachDesktop, reachGateway, REACH_USAGE } from './reach-desktop.ts';
import { aborted, untilSignal } from './signals.ts';
import { UsageError } from './usage-error.ts';

const USAGE = `usage: nekogate mcp [--gateway URL] --session ID... [--allow drive] [--allow sessions] [--listen [ADDRESS:]PORT]

Sessions and their desktops as tools of the Model Context Protocol, over standard input and output. Without --allow, tools only look.

  --session ID        a session that the tools may reach; again for more, or \`all\`
  --allow drive       click and type, too
  --allow sessions    start and stop sessions, too; those started here may be reached, and without --session they alone
  --listen [ADDRESS:]PORT
                      serve streamable HTTP at /mcp instead, on 127.0.0.1 unless told otherwise; clients show the token that is
                      in NEKOGATE_MCP_TOKEN, or in the file NEKOGATE_MCP_TOKEN_FILE
${REACH_USAGE}`;

export async function runMcp(args: string[], environment: Environment): Promise<number> {
  const { values } = parseArgs({
    args,
    options: {
      gateway: { type: 'string' },
      session: { type: 'string', multiple: true, default: [] },
      allow: { type: 'string', multiple: true, default: [] },
      listen: { type: 'string' },
      help: { type: 'boolean' },
    },
  });
  if (values.help) {
    process.stdout.write(USAGE);
    return 0;
  }
  const scope = readScope(values);
  const listen = values.listen === undefined ? undefined : readListen(values.listen, environment.mcpToken);
  const reach = await reachGateway(environment, values.gateway);
  if (!reach.isAdmin && scope.mayManage)
    throw new UsageError("--allow sessions takes the administrator's token; an access has one session");
  const signal = untilSignal();
  const role = scope.mayDrive ? 'controller' : 'viewer';
  await using desks = new Desks((id) => reachDesktop(reach, id, { role, label: 'nekogate mcp', signal }), scope);
  const deps = { desks, ...(reach.isAdmin && { sessions: reach.nekogate.sessions }) };
  if (listen) {
    await using listening = await listenMcp(deps, scope, listen);
    process.stderr.write(`nekogate: MCP at ${listening.url}\n`);
    await aborted(signal);
    return 0;
  }
  const server = createMcpServer(deps, scope);
  const ended = new Promise<void>((resolve) => process.stdin.once('end', resolve));
  await server.connect(new StdioServerTransport());
  await Promise.race([ended, aborted(signal)]);
  await server.close();
  return 0;
}

function readScope({ session, allow }: { session: string[]; allow: string[] }): Scope {
  const unknown = allow.find((what) => what !== 'drive' && what !== 'sessions');
  if (unknown !== undefined) throw new UsageError(`--allow ${unknown} is neither drive nor sessions`);
  const mayManage = allow.includes('sessions');
  if (session.length === 0 && !mayManage) throw new UsageError('name a --session, or all');
  return { sessions: session.includes('all') ? 'all' : session, mayDrive: allow.includes('drive'), mayManage };
}

function readListen(text: string, token: string | undefined): ListenOptions {
  const match = /^(?:(.+):)?(\d{1,5})$/.exec(text);
  if (!match) throw new UsageError(`--listen ${text} is not like 127.0.0.1:8090`);
  if (token === undefined)
    throw new UsageError('--listen needs a token for its clients: NEKOGATE_MCP_TOKEN or NEKOGATE_MCP_TOKEN_FILE');
  const [, host = '127.0.0.1', port] = match;
  return { host: host.replaceAll(/[[\]]/g, ''), port: Number(port), token };
}
