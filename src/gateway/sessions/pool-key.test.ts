import { assert, test } from 'vitest';
import { SessionSpec, SpecKey, type SpecChoice } from '../../protocol/session.ts';
import { poolKeyOf } from './pool-key.ts';

const mount = { root: 'data', path: 'ann', target: '/mnt/x' };

/** Of each key of a spec, specs that no two orders may share a session with; the build asks for those of a new key. */
const FIXED: Record<SpecKey, SpecChoice[]> = {
  image: [{ image: 'nekogate/desktop' }, { image: 'nekogate/desktop:2' }],
  app: [{ app: ['xterm'] }, { app: ['xterm', '-e', 'top'] }, { app: ['xterm -e top'] }],
  screen: [{ screen: { width: 640, height: 480, rate: 25 } }, { screen: { width: 640, height: 480, rate: 30 } }],
  audio: [{ audio: false }],
  accessibility: [{ accessibility: true }],
  environment: [
    { environment: { A: '1' } },
    { environment: { A: '2' } },
    { environment: { B: '1' } },
    { environment: { A: '1', B: '1' } },
  ],
  mounts: [
    { mounts: [{ ...mount, readOnly: true }] },
    { mounts: [{ ...mount, readOnly: false }] },
    { mounts: [{ ...mount, readOnly: true, path: 'bob' }] },
    { mounts: [{ ...mount, readOnly: true, root: 'other' }] },
    { mounts: [{ ...mount, readOnly: true, target: '/mnt/y' }] },
  ],
  resources: [
    { resources: { cpus: 1, memoryMb: 2048, pids: 512, shmMb: 512 } },
    { resources: { cpus: 2, memoryMb: 4096, pids: 512, shmMb: 512 } },
    { resources: { cpus: 2, memoryMb: 2048, pids: 256, shmMb: 512 } },
    { resources: { cpus: 2, memoryMb: 2048, pids: 512, shmMb: 256 } },
  ],
  // What the gateway sees to itself.
  home: [],
  idleTimeoutSeconds: [],
  maxDurationSeconds: [],
  restart: [],
};

test('no two orders that differ in what runs, or in what it may see and use, share a pool', () => {
  const specs: SpecChoice[] = [{}, ...SpecKey.options.flatMap((key) => FIXED[key])];

  const keys = new Map<string, SpecChoice>();
  for (const spec of specs) {
    const key = poolKeyOf(SessionSpec.parse(spec));
    assert.isUndefined(keys.get(key), `${JSON.stringify(spec)} and ${JSON.stringify(keys.get(key))}`);
    keys.set(key, spec);
  }
});

test('orders that differ only in what the gateway does, or in how they are written, share a pool', () => {
  const key = poolKeyOf(SessionSpec.parse({ environment: { A: '1', B: '2' } }));

  for (const spec of [
    { environment: { B: '2', A: '1' } },
    { environment: { A: '1', B: '2' }, audio: true, mounts: [], screen: { height: 720, width: 1280 } },
    {
      environment: { A: '1', B: '2' },
      idleTimeoutSeconds: 5,
      maxDurationSeconds: 6,
      restart: 'on-failure',
      home: 'ann',
    },
  ])
    assert.equal(poolKeyOf(SessionSpec.parse(spec)), key, JSON.stringify(spec));
});
