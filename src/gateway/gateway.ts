import type { Logger } from 'pino';
import { isLoopback, joinHostPort } from '../net/address.ts';
import { GatewayError } from '../errors.ts';
import { KEEPALIVE_MS, TUNNEL_DIAL_MS, VNC_STALL_MS } from '../protocol/limits.ts';
import { Accesses } from './access/accesses.ts';
import { addAccessRoutes } from './access/routes.ts';
import { loadAdminToken } from './admin-token.ts';
import { Agents } from './agents/agents.ts';
import { createConnectDoors } from './agents/connect-door.ts';
import { Hub, type Greeter } from './agents/hub.ts';
import { addAgentRoutes } from './agents/routes.ts';
import type { App } from './app.ts';
import { addLeaseRoutes } from './computer/lease-routes.ts';
import { Leases } from './computer/leases.ts';
import { Programs } from './computer/programs.ts';
import { addComputerRoutes } from './computer/routes.ts';
import { Audit } from './audit.ts';
import { Auth } from './auth.ts';
import { FailureLimiter } from './failure-limiter.ts';
import { Homes } from './homes/homes.ts';
import { addHomeRoutes } from './homes/routes.ts';
import { createSignalingDoor } from './logins/door.ts';
import { Logins } from './logins/logins.ts';
import { LostLogins } from './logins/lost-logins.ts';
import { addLoginRoutes } from './logins/routes.ts';
import type { TcpMediaOptions } from './media/endpoints.ts';
import { MediaOffers } from './media/offers.ts';
import { addMediaRoutes } from './media/routes.ts';
import { TcpListener } from './media/tcp-listener.ts';
import { Metrics } from './metrics.ts';
import { addNekoApi } from './neko-api/routes.ts';
import { addOperationRoutes } from './operations.ts';
import { addPages } from './pages.ts';
import { addSandboxAgent } from './sandbox-agent/routes.ts';
import { createStreamDoor } from './sandbox-agent/stream-door.ts';
import { Streams } from './sandbox-agent/streams.ts';
import { createServer } from './server.ts';
import { addSessionRoutes } from './sessions/routes.ts';
import { Lifecycle } from './sessions/lifecycle.ts';
import { Sessions } from './sessions/sessions.ts';
import { isEnded } from './sessions/states.ts';
import { keepStoreSmall } from './store/retention.ts';
import { Store } from './store/store.ts';
import type { SessionRow } from './store/tables.ts';
import { addTemplateRoutes } from './templates/routes.ts';
import { Templates } from './templates/templates.ts';
import { WarmPools } from './templates/warm-pools.ts';
import { addToolRoutes } from './tools/routes.ts';
import { Tools } from './tools/tools.ts';
import { Tunnels } from './tunnels/tunnels.ts';
import { UpgradeRouter } from './upgrade.ts';
import { createVncDoor } from './vnc/door.ts';
import { RfbListener, type RfbListenerOptions } from './vnc/rfb-listener.ts';

const HEARTBEAT_MS = 15_000;
/** How late the end of an idle session, a restart, or a new session of a pool may come. */
const LIFECYCLE_MS = 2000;
/** Time that a VNC client has for its handshake, and for the rest of a message that it began. */
const VNC_PATIENCE_MS = 10_000;
/** A model thinks for a while between two calls. */
const PROGRAM_IDLE_MS = 60_000;
/** Nothing of ours logs these; this is for the day when somebody logs a whole object. */
const REDACTED = [
  'authorization',
  'token',
  'key',
  'ticket',
  'databaseUrl',
  '*.authorization',
  '*.token',
  '*.key',
  '*.ticket',
];

export interface GatewayOptions {
  host?: string;
  /** 0 takes any free port. */
  port?: number;
  /** Holds the admin token and the embedded database. */
  dataDir: string;
  /** postgres://… puts the store there. */
  databaseUrl?: string | undefined;
  /** Origins of other sites whose pages may call the API, open WebSockets and frame the viewer. */
  corsOrigins?: readonly string[];
  /** Sites that may frame the viewer beside this one; left out, the CORS origins. */
  frameAncestors?: readonly string[];
  /** Where browsers reach this gateway; left out, where it listens. */
  publicUrl?: string | undefined;
  logger: Logger;
  /** Where viewers' media may come in by TCP; left out, nowhere. */
  tcpMedia?: TcpMediaOptions | undefined;
  /** Where VNC clients may come in by TCP, inside TLS; left out, nowhere. */
  rfb?: RfbListenerOptions | undefined;
  /** How often agents say that they are well; degraded at twice, offline at three times that. */
  heartbeatMs?: number;
  keepAliveMs?: number;
  tunnelDialMs?: number;
  vncPatienceMs?: number;
  vncStallMs?: number;
  /** How long a program's login, and with it the controls, stay for its next call. */
  programIdleMs?: number;
  /** How often it looks for sessions that are idle, over their time or to be restarted, and for pools. */
  lifecycleMs?: number;
  /** The built viewer. */
  viewerDir: string;
}

/** The control plane: HTTP API, pages, and the doors where agents and clients come in by WebSocket. */
export class Gateway {
  /** Where it listens. */
  readonly url: string;
  readonly adminToken: string;
  /** Where VNC clients come in by TCP, if they may. */
  readonly rfbPort: number | undefined;
  readonly #stop: () => Promise<void>;
  #stopping: Promise<void> | undefined;

  /** Resolves once it listens, or leaves nothing behind when it throws or is aborted. */
  static async start(options: GatewayOptions, signal?: AbortSignal): Promise<Gateway> {
    signal?.throwIfAborted();
    await using starting = new AsyncDisposableStack();
    const log = options.logger.child({ part: 'gateway' }, { redact: REDACTED });
    const store = starting.use(await Store.open({ ...options, log }));
    const adminToken = await loadAdminToken(options.dataDir);
    starting.defer(keepStoreSmall(store, log));
    const audit = new Audit(store.audit, log);
    starting.defer(() => audit.drain());

    const gateway = await wire({ store, adminToken, audit, log }, options);
    starting.defer(() => gateway.stop());
    const { url, rfbPort } = await gateway.listen();
    signal?.throwIfAborted();
    const owned = starting.move();
    return new Gateway({ url, adminToken, rfbPort, stop: () => owned.disposeAsync() });
  }

  private constructor(parts: {
    url: string;
    adminToken: string;
    rfbPort: number | undefined;
    stop: () => Promise<void>;
  }) {
    this.url = parts.url;
    this.adminToken = parts.adminToken;
    this.rfbPort = parts.rfbPort;
    this.#stop = parts.stop;
  }

  /** Tells clients and agents SHUTTING_DOWN; resolves once every socket is closed and every row written. Idempotent. */
  stop(): Promise<void> {
    return (this.#stopping ??= this.#stop());
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }
}

interface Foundation {
  store: Store;
  adminToken: string;
  audit: Audit;
  log: Logger;
}

interface Wired {
  listen(): Promise<{ url: string; rfbPort: number | undefined }>;
  stop(): Promise<void>;
}

async function wire({ store, adminToken, audit, log }: Foundation, options: GatewayOptions): Promise<Wired> {
  const { host = '127.0.0.1', port = 8080, corsOrigins = [], keepAliveMs = KEEPALIVE_MS } = options;
  // Behind a proxy that changes the Host, the pages of the public address are this gateway's own all the same.
  const origins = options.publicUrl === undefined ? corsOrigins : [...corsOrigins, new URL(options.publicUrl).origin];
  const metrics = new Metrics();
  const accesses = new Accesses(store);
  const auth = new Auth({ adminToken, accesses, limiter: new FailureLimiter(), audit });
  const agents = new Agents(store);
  const hub = new Hub(log);
  const sessions = new Sessions({ store, agents, hub, audit, metrics, log });
  const logins = new Logins({ keepAliveMs, log, onChange: (sessionId) => lifecycle.touch(sessionId) });
  const lost = new LostLogins({ accesses, sessions, log });
  const tunnels = new Tunnels({ dialMs: options.tunnelDialMs ?? TUNNEL_DIAL_MS, keepAliveMs, metrics });
  const offers = new MediaOffers({
    onRung: (rung) => metrics.media.inc({ rung }),
    onSpent: (rung, seconds) => metrics.mediaSeconds.inc({ rung }, seconds),
  });
  let tcp: TcpListener | undefined;
  let rfb: RfbListener | undefined;
  const { programIdleMs = PROGRAM_IDLE_MS } = options;
  const leases = new Leases(logins, { holdMs: programIdleMs });
  const programs = new Programs(
    { accesses, sessions, hub, logins, leases, tunnels, audit, metrics, log },
    { idleMs: programIdleMs },
  );
  const onCall = (sessionId: string): void => lifecycle.touch(sessionId);
  const tools = new Tools({ accesses, sessions, hub, tunnels, onCall });
  sessions.changes.on((session) => {
    tellLoginsOf(session, logins);
    interruptPrograms(session, { programs, tools });
  });
  const templates = new Templates(store);
  const pools = new WarmPools({ store, hub, sessions, templates, metrics, log });

  const app = await createServer(
    { auth, metrics, log },
    { corsOrigins, frameAncestors: options.frameAncestors ?? corsOrigins },
  );
  let url = '';
  const publicUrl = (): string => (options.publicUrl ?? url).replace(/\/+$/, '');
  addAgentRoutes(app, { agents, hub, sessions, audit });
  addSessionRoutes(app, { sessions, templates, hub, logins, audit });
  addTemplateRoutes(app, { templates, pools, audit });
  addHomeRoutes(app, { homes: new Homes({ store, hub, metrics }), hub, audit });
  addAccessRoutes(app, { accesses, sessions, hub, logins, tools, audit, publicUrl });
  addLoginRoutes(app, { logins, lost, sessions, audit });
  addOperationRoutes(app, { store, agents, hub, logins, metrics, isLoopback: isLoopback(host) });
  addMediaRoutes(app, { sessions, hub, logins, offers, tunnels });
  addComputerRoutes(app, { programs });
  addLeaseRoutes(app, { programs, leases });
  await addToolRoutes(app, { tools, programs, audit });
  await addNekoApi(app, { sessions, hub, tunnels, onCall });
  const streams = new Streams();
  await addSandboxAgent(app, { tools, programs, sessions, hub, streams, logins, audit, log });
  await addPages(app, options);

  const listener = {
    sessionReported: sessions.sessionReported.bind(sessions),
    loginReported: lost.reported.bind(lost),
    tunnelRefused: tunnels.refused.bind(tunnels),
    mediaOffered: offers.offered.bind(offers),
    mediaUsed: offers.used.bind(offers),
    mediaWithdrawn: offers.withdrawn.bind(offers),
    tunnelReady: tunnels.ready.bind(tunnels),
  };
  const greeter: Greeter = {
    greet: async (agent, hello) => {
      await sessions.greet(agent, hello);
      lost.greet(agent, hello);
      offers.greet(agent);
    },
  };
  const connection = {
    heartbeatMs: options.heartbeatMs ?? HEARTBEAT_MS,
    keepAliveMs,
    listener,
    tcpMedia: () => tcp?.endpoints ?? [],
  };
  const doorDeps = { auth, sessions, hub, logins, tunnels, audit, metrics, origins };
  const upgrades = new UpgradeRouter({
    log,
    doors: [
      createSignalingDoor(doorDeps),
      createStreamDoor({ ...doorDeps, streams }),
      createVncDoor(doorDeps, {
        patienceMs: options.vncPatienceMs ?? VNC_PATIENCE_MS,
        stallMs: options.vncStallMs ?? VNC_STALL_MS,
      }),
      tunnels.createDoor({ agents, auth }),
      tunnels.createSpareDoor({ agents, auth, hub }),
      ...createConnectDoors({ agents, auth, hub, greeter, connection, log }),
    ],
  });
  upgrades.listen(app.server);
  const lifecycle = new Lifecycle(
    { store, hub, sessions, logins, audit, metrics, log },
    { everyMs: options.lifecycleMs ?? LIFECYCLE_MS, pools },
  );

  return {
    listen: async () => {
      if (options.tcpMedia) tcp = await TcpListener.open(options.tcpMedia, { offers, tunnels, metrics, log });
      if (options.rfb) rfb = await RfbListener.open({ server: app.server, auth, log }, options.rfb);
      url = await listen(app, host, port);
      return { url, rfbPort: rfb?.port };
    },
    stop: async () => {
      const closed = app.close();
      await lifecycle.stop();
      pools.stop();
      sessions.changes.endWaits();
      programs.stop();
      await logins.stop();
      await tcp?.stop();
      await rfb?.stop();
      await upgrades.stop();
      tunnels.stop();
      await hub.stop();
      await closed;
    },
  };
}

/** Who is in a session sees it paused and going on; all else that ends the desktop under them ends them. */
function tellLoginsOf(session: SessionRow, logins: Logins): void {
  const { id, state } = session;
  const why = session.reason_message === null ? '' : `: ${session.reason_message}`;
  if (state === 'paused' || state === 'running') logins.setPaused(id, state === 'paused');
  else if (state === 'hibernating' || state === 'hibernated')
    logins.endSession(id, new GatewayError('SESSION_HIBERNATED', `session ${id} is ${state}${why}`));
  else if (state === 'stopping' || isEnded(session))
    logins.endSession(id, new GatewayError('SESSION_ENDED', `session ${id} is ${state}${why}`));
  // Its desktop is gone, and another one comes: whoever was in it can come back.
  else if (session.wish === 'restart' || session.restart_at !== null)
    logins.endSession(id, new GatewayError('SESSION_NOT_RUNNING', `session ${id} is started again${why}`));
}

/** What programs are at in a session ends when it doesn't run any more; their logins are told by themselves. */
function interruptPrograms({ id, state }: SessionRow, { programs, tools }: { programs: Programs; tools: Tools }): void {
  if (state === 'running') return;
  const failure = new GatewayError('SESSION_NOT_RUNNING', `session ${id} is ${state}`);
  if (state === 'paused') programs.interrupt(id, failure);
  tools.interrupt({ sessionId: id }, failure);
}

async function listen(app: App, host: string, port: number): Promise<string> {
  await app.listen({ host, port });
  const address = app.server.address();
  const bound = typeof address === 'object' && address !== null ? address.port : port;
  return `http://${joinHostPort(host, bound)}`;
}
