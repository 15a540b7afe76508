import { mkdtemp, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import { afterAll, assert, beforeAll, describe, test } from 'vitest';
import { startPostgres, type PostgresCluster } from '../../../test/harness/postgres.ts';
import { removeOld } from './retention.ts';
import { Store } from './store.ts';

const log = pino({ level: 'silent' });
const NOW = '2026-01-01T00:00:00.000Z';
const LATER = '2026-01-02T00:00:00.000Z';

interface Place {
  dataDir: string;
  databaseUrl?: string;
}

describe.each(['sqlite', 'postgres'] as const)('on %s', (kind) => {
  let cluster: PostgresCluster | undefined;
  const folders: string[] = [];
  let count = 0;

  beforeAll(async () => {
    if (kind === 'postgres') cluster = await startPostgres();
  });
  afterAll(async () => {
    await cluster?.[Symbol.asyncDispose]();
    await Promise.all(folders.map((folder) => rm(folder, { recursive: true })));
  });

  async function newPlace(): Promise<Place> {
    const dataDir = await mkdtemp(join(tmpdir(), 'nekogate-store-'));
    folders.push(dataDir);
    return { dataDir, ...(cluster && { databaseUrl: await cluster.createDatabase(`t${++count}`) }) };
  }

  async function openStore(place?: Place): Promise<Store> {
    return Store.open({ ...(place ?? (await newPlace())), log });
  }

  async function openWithSession(): Promise<Store> {
    const store = await openStore();
    await store.agents.enroll({ id: 'host-1', label: '', key_hash: 'h' }, NOW);
    await store.sessions.add({ id: 's-1', agent_id: 'host-1', spec: '{}' }, NOW);
    return store;
  }

  test('what is stored is there after the gateway starts again', async () => {
    const place = await newPlace();
    const before = await openStore(place);
    await before.agents.enroll({ id: 'host-1', label: 'the first', key_hash: 'h' }, NOW);
    await before.close();

    await using after = await openStore(place);

    assert.equal(after.kind, kind);
    assert.deepEqual(await after.agents.find('host-1'), {
      id: 'host-1',
      label: 'the first',
      key_hash: 'h',
      created_at: NOW,
      last_seen_at: null,
      revoked_at: null,
    });
  });

  test('gateways that start at once agree on the tables', async () => {
    const place = await newPlace();
    // The embedded store is one gateway's; another comes only when a restart overlaps, and then the tables are there.
    const first = kind === 'sqlite' ? [await openStore(place)] : [];

    const stores = [...first, ...(await Promise.all([openStore(place), openStore(place)]))];

    await stores[0]?.agents.enroll({ id: 'host-1', label: '', key_hash: 'h' }, NOW);
    assert.equal((await stores[1]?.agents.list(10))?.length, 1);
    await Promise.all(stores.map((store) => store.close()));
  });

  test('an agent id is free again once it was revoked, and not before', async () => {
    await using store = await openStore();
    assert.equal(await store.agents.enroll({ id: 'host-1', label: '', key_hash: 'first' }, NOW), true);
    assert.equal(await store.agents.enroll({ id: 'host-1', label: '', key_hash: 'thief' }, NOW), false);
    assert.equal((await store.agents.find('host-1'))?.key_hash, 'first');

    assert.equal(await store.agents.revoke('host-1', LATER), true);
    assert.equal(await store.agents.revoke('host-1', LATER), false);
    assert.equal(await store.agents.setKey('host-1', 'x'), false);

    assert.equal(await store.agents.enroll({ id: 'host-1', label: '', key_hash: 'second' }, LATER), true);
    assert.equal((await store.agents.find('host-1'))?.revoked_at, null);
    assert.equal(await store.agents.countActive(), 1);
  });

  test('of the sessions that have not ended one has a home, a hibernated one too', async () => {
    await using store = await openWithSession();
    const add = (id: string) => store.sessions.add({ id, agent_id: 'host-1', spec: '{}', home: 'ann' }, NOW);
    assert.equal((await add('s-2'))?.home, 'ann');
    assert.equal(await add('s-3'), undefined);
    await store.sessions.apply('host-1', { sessionId: 's-2', state: 'hibernated' }, NOW);
    assert.equal(await add('s-3'), undefined);

    await store.sessions.apply('host-1', { sessionId: 's-2', state: 'stopped' }, NOW);

    assert.equal((await add('s-3'))?.home, 'ann');
    assert.equal(await store.sessions.revive('s-2', ['stopped'], { state: 'pending' }, LATER), 'home-taken');
    await store.homes.place('ann', 'host-1', NOW);
    await store.homes.place('ann', 'host-1', LATER);
    assert.equal((await store.homes.find('ann'))?.agent_id, 'host-1');
  });

  test('homes are listed by name with the session that has or last had each, and not removed while one has it', async () => {
    await using store = await openWithSession();
    for (const home of ['cid', 'ann', 'bob']) await store.homes.place(home, 'host-1', NOW);
    await store.sessions.add({ id: 's-2', agent_id: 'host-1', spec: '{}', home: 'ann' }, NOW);
    await store.sessions.apply('host-1', { sessionId: 's-2', state: 'hibernated' }, LATER);
    for (const [id, end] of [
      ['s-3', LATER],
      ['s-4', NOW],
    ] as const) {
      await store.sessions.add({ id, agent_id: 'host-1', spec: '{}', home: 'bob' }, NOW);
      await store.sessions.apply('host-1', { sessionId: id, state: 'stopped' }, end);
    }

    const homes = await store.homes.list(10, undefined);

    assert.deepEqual(
      homes.map(({ id, session }) => [id, session?.id]),
      [
        ['ann', 's-2'],
        ['bob', 's-3'],
        ['cid', undefined],
      ],
    );
    assert.deepEqual(
      (await store.homes.list(1, 'ann')).map(({ id }) => id),
      ['bob'],
    );
    assert.isFalse(await store.homes.remove('ann'));
    assert.isTrue(await store.homes.remove('bob'));
    assert.isTrue(await store.homes.remove('bob'));
    assert.equal(await store.homes.find('bob'), undefined);
  });

  test('a session of a pool runs as warm, and of those that claim it at once one gets it', async () => {
    await using store = await openWithSession();
    await store.templates.add('term', { label: '', spec: '{}', overrides: '[]', warm: 1 }, NOW);
    await store.sessions.add({ id: 's-2', agent_id: 'host-1', spec: '{}', pool: 'key' }, NOW);
    const warm = await store.sessions.apply('host-1', { sessionId: 's-2', state: 'running' }, NOW);
    const claim = { spec: '{"audio":false}', template_id: 'term', template_revision: 1 };

    const claims = await Promise.all([1, 2, 3].map(() => store.sessions.claim('s-2', claim, LATER)));

    assert.deepInclude(warm, { state: 'warm', pool: 'key' });
    const claimed = claims.filter((one) => one !== undefined);
    assert.lengthOf(claimed, 1);
    assert.deepInclude(claimed[0], { ...claim, state: 'running', pool: null, created_at: LATER });
    assert.equal(await store.sessions.dropFromPool('s-2', LATER), undefined);
  });

  test("a session's times begin once, move when somebody comes, and are over when they are past", async () => {
    await using store = await openWithSession();
    const expired = async (now: string) => (await store.sessions.listExpired(now, 10)).map(({ id }) => id);
    await store.sessions.apply('host-1', { sessionId: 's-1', state: 'running' }, NOW);
    await store.sessions.begin('s-1', { idleAt: NOW, endsAt: null }, NOW);
    await store.sessions.begin('s-1', { idleAt: LATER, endsAt: LATER }, LATER);
    assert.deepInclude(await store.sessions.find('s-1'), { started_at: NOW, idle_at: NOW, ends_at: null });
    assert.deepEqual(await expired(NOW), ['s-1']);

    await store.sessions.postponeIdle('host-1', LATER);
    await store.sessions.postponeIdle('host-1', NOW);

    assert.deepEqual(await expired(NOW), []);
    assert.equal(await store.sessions.expire('s-1', { state: 'stopping' }, NOW), undefined);
    await store.sessions.touch('s-1', NOW);
    const reason = { code: 'IDLE_TIMEOUT', message: 'nobody' };
    assert.deepInclude(await store.sessions.expire('s-1', { state: 'stopping', reason }, NOW), {
      state: 'stopping',
      reason_code: 'IDLE_TIMEOUT',
    });
  });

  test('of those that see to a due restart one does, and a session that failed without one stays failed', async () => {
    await using store = await openWithSession();
    const failed = { sessionId: 's-1', state: 'failed', reason: { code: 'X', message: 'y' }, exitCode: 3 } as const;
    await store.sessions.apply('host-1', { sessionId: 's-1', state: 'running' }, NOW);
    const waiting = await store.sessions.scheduleRestart(failed, { restarts: 1, at: LATER }, NOW);

    assert.deepInclude(waiting, { state: 'pending', restarts: 1, restart_at: LATER, exit_code: 3 });
    assert.lengthOf(await store.sessions.listRestartsDue(NOW, 10), 0);
    assert.lengthOf(await store.sessions.listRestartsDue(LATER, 10), 1);
    const taken = await Promise.all([1, 2, 3].map(() => store.sessions.takeRestart('s-1')));
    assert.lengthOf(
      taken.filter((isMine) => isMine),
      1,
    );
    await store.sessions.apply('host-1', failed, LATER);
    assert.equal(await store.sessions.scheduleRestart(failed, { restarts: 2, at: LATER }, LATER), undefined);
  });

  test('a late report does not wake an ended session', async () => {
    await using store = await openWithSession();
    await store.sessions.apply('host-1', { sessionId: 's-1', state: 'running', streamer: 'neko' }, NOW);
    const failed = await store.sessions.apply(
      'host-1',
      { sessionId: 's-1', state: 'failed', reason: { code: 'X', message: 'y' }, logTail: ['a', 'b'] },
      LATER,
    );

    const late = await store.sessions.apply('host-1', { sessionId: 's-1', state: 'running' }, LATER);

    assert.equal(late, undefined);
    assert.deepInclude(failed, {
      state: 'failed',
      reason_code: 'X',
      streamer: 'neko',
      ended_at: LATER,
      log_tail: '["a","b"]',
    });
    assert.equal((await store.sessions.find('s-1'))?.state, 'failed');
  });

  test("no agent changes another one's session", async () => {
    await using store = await openWithSession();

    assert.equal(await store.sessions.apply('host-2', { sessionId: 's-1', state: 'running' }, NOW), undefined);
  });

  test('a session that is being stopped does not run again', async () => {
    await using store = await openWithSession();
    await store.sessions.apply('host-1', { sessionId: 's-1', state: 'stopping' }, NOW);

    assert.equal(await store.sessions.apply('host-1', { sessionId: 's-1', state: 'running' }, NOW), undefined);
    assert.equal(await store.sessions.apply('host-1', { sessionId: 's-1', state: 'failed' }, NOW), undefined);
    assert.equal((await store.sessions.apply('host-1', { sessionId: 's-1', state: 'stopped' }, NOW))?.state, 'stopped');
  });

  test('a desktop that is whole again has no reason any more', async () => {
    await using store = await openWithSession();
    const reason = { code: 'STREAMER_LOST', message: 'it died' };
    await store.sessions.apply('host-1', { sessionId: 's-1', state: 'starting', reason }, NOW);

    const running = await store.sessions.apply('host-1', { sessionId: 's-1', state: 'running' }, NOW);

    assert.equal(running?.reason_code, null);
  });

  test('pages of sessions follow each other without gaps, same instants included', async () => {
    await using store = await openStore();
    await store.agents.enroll({ id: 'host-1', label: '', key_hash: 'h' }, NOW);
    for (const [id, at] of [
      ['s-a', NOW],
      ['s-b', NOW],
      ['s-c', NOW],
      ['s-d', LATER],
    ] as const)
      await store.sessions.add({ id, agent_id: 'host-1', spec: '{}' }, at);

    const first = await store.sessions.list({ limit: 2 });
    const last = first.at(-1);
    const second = await store.sessions.list({
      limit: 2,
      after: { createdAt: last?.created_at ?? '', id: last?.id ?? '' },
    });

    assert.deepEqual(
      [...first, ...second].map(({ id }) => id),
      ['s-d', 's-c', 's-b', 's-a'],
    );
    assert.deepEqual(await store.sessions.list({ limit: 9, state: 'running' }), []);
    assert.deepEqual([...(await store.sessions.countLiveByAgent())], [['host-1', 4]]);
    assert.deepEqual([...(await store.sessions.countByState())], [['pending', 4]]);
  });

  test('an access is found by its token and revoked once', async () => {
    await using store = await openWithSession();
    const access = {
      id: 'a-1',
      session_id: 's-1',
      role: 'viewer',
      label: '',
      token_hash: 'hash',
      expires_at: LATER,
      revoked_at: null,
      created_at: NOW,
    } as const;
    await store.accesses.add(access);

    assert.deepEqual(await store.accesses.findByTokenHash('hash'), access);
    assert.equal(await store.accesses.revoke('s-other', 'a-1', NOW), 'missing');
    assert.equal(await store.accesses.revoke('s-1', 'a-1', NOW), 'revoked');
    assert.equal(await store.accesses.revoke('s-1', 'a-1', LATER), 'unchanged');
    assert.deepEqual(await store.accesses.list('s-1', 10), [{ ...access, revoked_at: NOW }]);
    assert.equal(await store.accesses.count('s-1'), 1);
  });

  test('nothing refers to what is not there', async () => {
    await using store = await openStore();

    const adding = store.sessions.add({ id: 's-1', agent_id: 'nobody', spec: '{}' }, NOW);

    assert.match(String(await adding.catch((error: unknown) => error)), /foreign key/i);
  });

  test('the audit reads newest first, page by page', async () => {
    await using store = await openStore();
    const row = { at: NOW, actor: 'admin', action: 'x', target: 'y', outcome: 'ok', detail: '{}', request_id: 'r' };
    for (const id of ['01', '02', '03']) await store.audit.add({ ...row, id });

    assert.deepEqual(
      (await store.audit.list(2)).map(({ id }) => id),
      ['03', '02'],
    );
    assert.deepEqual(
      (await store.audit.list(2, '02')).map(({ id }) => id),
      ['01'],
    );
  });

  test('what is old goes, with all that hangs on it; what lives stays', async () => {
    await using store = await openWithSession();
    await store.sessions.add({ id: 's-2', agent_id: 'host-1', spec: '{}' }, NOW);
    await store.sessions.apply('host-1', { sessionId: 's-2', state: 'stopped' }, NOW);
    await store.accesses.add({
      id: 'a-1',
      session_id: 's-2',
      role: 'viewer',
      label: '',
      token_hash: 'hash',
      expires_at: LATER,
      revoked_at: null,
      created_at: NOW,
    });
    await store.audit.add({
      id: '01',
      at: NOW,
      actor: '',
      action: '',
      target: '',
      outcome: '',
      detail: '{}',
      request_id: '',
    });

    await removeOld(store, Date.parse(NOW) + 365 * 24 * 3600 * 1000);

    assert.deepEqual(
      (await store.sessions.list({ limit: 9 })).map(({ id }) => id),
      ['s-1'],
    );
    assert.equal(await store.accesses.findByTokenHash('hash'), undefined);
    assert.deepEqual(await store.audit.list(9), []);
  });

  test('many queries at once do not mix', async () => {
    await using store = await openStore();

    const enrolled = await Promise.all(
      Array.from({ length: 50 }, (_, index) =>
        store.agents.enroll({ id: `host-${index % 25}`, label: '', key_hash: 'h' }, NOW),
      ),
    );

    assert.equal(enrolled.filter(Boolean).length, 25);
    assert.equal(await store.agents.countActive(), 25);
  });

  test('a store that is closed says so', async () => {
    const store = await openStore();
    await store.close();

    const failure: unknown = await store.check().catch((error: unknown) => error);

    assert.propertyVal(failure, 'code', 'STORE_UNAVAILABLE');
  });
});

test('nobody else on the machine can read the embedded database', async () => {
  const dataDir = await mkdtemp(join(tmpdir(), 'nekogate-store-'));
  await using store = await Store.open({ dataDir, log });
  await store.agents.enroll({ id: 'host-1', label: '', key_hash: 'h' }, NOW);

  for (const name of ['nekogate.db', 'nekogate.db-wal', 'nekogate.db-shm'])
    assert.equal((await stat(join(dataDir, name))).mode & 0o777, 0o600, name);
  await rm(dataDir, { recursive: true });
});

test('a Postgres that is not there is an error that says so, at once', async () => {
  const dataDir = await mkdtemp(join(tmpdir(), 'nekogate-store-'));
  const failure: unknown = await Store.open({
    dataDir,
    databaseUrl: `postgres://u:secret@${encodeURIComponent(dataDir)}/none`,
    log,
  }).catch((error: unknown) => error);

  assert.propertyVal(failure, 'code', 'STORE_UNAVAILABLE');
  assert.notInclude(String(failure), 'secret');
  await rm(dataDir, { recursive: true });
});
