import { mkdir, realpath, rm, symlink, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { assert, test } from 'vitest';
import { temporaryFolder } from '../../../test/harness/folder.ts';
import { GatewayError } from '../../errors.ts';
import { SessionSpec } from '../../protocol/session.ts';
import { FIRST_PROCESS_CAPABILITIES } from './capabilities.ts';
import { containerBodyOf } from './container-body.ts';
import { encodeLabels } from './labels.ts';
import { openMountRoots, type MountRoot } from './mounts.ts';
import { DEFAULT_ALLOWED_IMAGES, DockerPolicy, type DockerCall } from './policy.ts';

const OWN = 'a'.repeat(64);
const OTHER = 'b'.repeat(64);
const PROFILE = '{"defaultAction":"SCMP_ACT_ERRNO"}';

test('what an agent sends for a session is let through as it is', () => {
  const body = goodBody();

  const allowed = policy().check(create(body));

  assert.deepEqual(allowed, { query: { name: 'nekogate-s-1' }, body: { ...body } });
});

/** Each is put over a good body's HostConfig. */
const HOST_TAKEOVERS: [what: string, host: Record<string, unknown>][] = [
  ['Privileged', { Privileged: true }],
  ['Privileged, though false', { Privileged: false }],
  ['privileged in another case', { privileged: true }],
  ['Binds of the root folder', { Binds: ['/:/host'] }],
  ['Binds of the Docker socket', { Binds: ['/var/run/docker.sock:/var/run/docker.sock'] }],
  ['Binds of an ordinary folder', { Binds: ['/srv/data:/data:ro'] }],
  ['a bind mount', { Mounts: [{ Type: 'bind', Source: '/etc', Target: '/home/neko' }] }],
  [
    'a bind mount with a propagation',
    { Mounts: [{ Type: 'bind', Source: '/srv', Target: '/home/neko', BindOptions: { Propagation: 'shared' } }] },
  ],
  [
    "another agent's or program's volume",
    { Mounts: [{ Type: 'volume', Source: 'postgres-data', Target: '/home/neko' }] },
  ],
  [
    'a volume that is a bind in disguise',
    {
      Mounts: [
        {
          Type: 'volume',
          Source: 'nekogate-home-a',
          Target: '/home/neko',
          VolumeOptions: { DriverConfig: { Name: 'local', Options: { type: 'none', o: 'bind', device: '/' } } },
        },
      ],
    },
  ],
  ['a volume over a system folder', { Mounts: [{ Type: 'volume', Source: 'nekogate-home-a', Target: '/etc' }] }],
  ['a volume by a path with ..', { Mounts: [{ Type: 'volume', Source: 'nekogate-home-a', Target: '/home/../etc' }] }],
  ['VolumesFrom', { VolumesFrom: ['gateway'] }],
  ["the host's processes", { PidMode: 'host' }],
  ["another container's processes", { PidMode: 'container:gateway' }],
  ["the host's IPC", { IpcMode: 'host' }],
  ["another container's IPC", { IpcMode: 'container:gateway' }],
  ["the host's host name", { UTSMode: 'host' }],
  ["the host's users", { UsernsMode: 'host' }],
  ["the host's control groups", { CgroupnsMode: 'host' }],
  ["the host's network", { NetworkMode: 'host' }],
  ["another container's network", { NetworkMode: 'container:gateway' }],
  ['the default bridge, where all containers meet', { NetworkMode: 'bridge' }],
  ["another session's network", { NetworkMode: 'nekogate-s-2' }],
  ...[
    'SYS_ADMIN',
    'SYS_PTRACE',
    'SYS_MODULE',
    'DAC_READ_SEARCH',
    'NET_ADMIN',
    'NET_RAW',
    'SYS_RAWIO',
    'BPF',
    'ALL',
    'CAP_SYS_ADMIN',
  ].map((name): [string, Record<string, unknown>] => [`the capability ${name}`, { CapAdd: [name] }]),
  ['all capabilities of the daemon kept', { CapDrop: [] }],
  ['a device', { Devices: [{ PathOnHost: '/dev/sda', PathInContainer: '/dev/sda', CgroupPermissions: 'rwm' }] }],
  ['a rule for devices', { DeviceCgroupRules: ['a *:* rwm'] }],
  ['a request for devices', { DeviceRequests: [{ Driver: 'cdi', DeviceIDs: ['vendor.com/device=all'] }] }],
  ['no seccomp', { SecurityOpt: ['no-new-privileges:true', 'seccomp=unconfined'] }],
  [
    'a seccomp profile of its own',
    { SecurityOpt: ['no-new-privileges:true', 'seccomp={"defaultAction":"SCMP_ACT_ALLOW"}'] },
  ],
  ['no AppArmor', { SecurityOpt: ['no-new-privileges:true', 'apparmor=unconfined'] }],
  ['no SELinux label', { SecurityOpt: ['no-new-privileges:true', 'label:disable'] }],
  ['system paths laid open', { SecurityOpt: ['no-new-privileges:true', 'systempaths=unconfined'] }],
  ['new privileges', { SecurityOpt: [] }],
  ['new privileges, said so', { SecurityOpt: ['no-new-privileges:false'] }],
  ['unmasked paths', { MaskedPaths: [] }],
  ['writable system paths', { ReadonlyPaths: [] }],
  ['a parent control group', { CgroupParent: '/' }],
  ['kernel settings', { Sysctls: { 'net.ipv4.ip_forward': '1' } }],
  ['another OCI runtime', { Runtime: 'io.containerd.runc.v2' }],
  ['a volume driver', { VolumeDriver: 'rclone' }],
  ['a log sent elsewhere', { LogConfig: { Type: 'syslog', Config: { 'syslog-address': 'tcp://198.51.100.1:514' } } }],
  [
    'a log file elsewhere',
    { LogConfig: { Type: 'json-file', Config: { 'max-size': '1m', 'max-file': '2', labels: 'x' } } },
  ],
  ['an unbounded log', { LogConfig: { Type: 'json-file', Config: {} } }],
  ['a shield from the kernel when memory is short', { OomScoreAdj: -1000 }],
  ['no end when memory is short', { OomKillDisable: true }],
  ['limits of its own for processes', { Ulimits: [{ Name: 'nofile', Soft: -1, Hard: -1 }] }],
  ['no limit of memory', { Memory: 0, MemorySwap: 0 }],
  ['memory left out', { Memory: undefined }],
  ['swap without end', { MemorySwap: -1 }],
  ['no limit of processes', { PidsLimit: -1 }],
  ['no limit of processes, by 0', { PidsLimit: 0 }],
  ['no limit of processor time', { NanoCpus: 0 }],
  ['processor time left out', { NanoCpus: undefined }],
  ['hosts of its own', { ExtraHosts: ['gateway:198.51.100.1'] }],
  ['annotations', { Annotations: { 'io.example': 'x' } }],
  ['storage options', { StorageOpt: { size: '1T' } }],
  ['every exposed port published', { PublishAllPorts: true }],
  ['a TCP port published', { PortBindings: { '8080/tcp': [{ HostIp: '', HostPort: '8080' }] } }],
  ['a port outside the range', { PortBindings: { '53/udp': [{ HostIp: '', HostPort: '53' }] } }],
  ['a port of another number', { PortBindings: { '59000/udp': [{ HostIp: '', HostPort: '59500' }] } }],
  ['a port that the daemon chooses', { PortBindings: { '59000/udp': [{ HostIp: '', HostPort: '' }] } }],
  ['a port on another address', { PortBindings: { '59000/udp': [{ HostIp: '192.0.2.1', HostPort: '59000' }] } }],
  [
    'a port twice',
    {
      PortBindings: {
        '59000/udp': [
          { HostIp: '', HostPort: '59000' },
          { HostIp: '', HostPort: '59000' },
        ],
      },
    },
  ],
  ['more ports than a session has', { PortBindings: ports(59_000, 59_008) }],
  ['a restart behind the agent', { RestartPolicy: { Name: 'always' } }],
  ['removal behind the agent', { AutoRemove: true }],
  ['groups, such as that of Docker', { GroupAdd: ['999'] }],
  ['no init', { Init: false }],
  ['links', { Links: ['gateway:gateway'] }],
  ['isolation', { Isolation: 'process' }],
  ['a field that nobody knows', { Frobnicate: 1 }],
];

test.for(HOST_TAKEOVERS)('a container is refused with %s', ([, host]) => {
  const body = goodBody();

  const error = refusalOf(policy(), create({ ...body, HostConfig: { ...body.HostConfig, ...host } }));

  assert.equal(error.code, 'POLICY_REFUSED');
});

const TAKEOVERS: [what: string, fields: Record<string, unknown>][] = [
  ['an image that is not on the list', { Image: 'evil/desktop' }],
  ['an image that only begins like one on the list', { Image: 'nekogate/desktop/../../evil' }],
  ['an image of another registry', { Image: 'evil.example/nekogate/desktop:1' }],
  ['another user', { User: 'root' }],
  ['a command that recurs', { Healthcheck: { Test: ['CMD-SHELL', 'true'] } }],
  ['a command', { Cmd: ['sh'] }],
  ['an entry point', { Entrypoint: ['sh'] }],
  ['a terminal', { Tty: true }],
  ['no owner', { Labels: { 'nekogate.session': 's-1' } }],
  ['another owner', { Labels: { ...labels(), 'nekogate.agent': 'host-2' } }],
  ["somebody else's label", { Labels: { ...labels(), 'com.docker.compose.project': 'x' } }],
  ['a port that is exposed and not published', { ExposedPorts: { '59100/udp': {} } }],
  ['another network beside its own', { NetworkingConfig: { EndpointsConfig: { bridge: {} } } }],
  ['volumes without a name', { Volumes: { '/data': {} } }],
  ['hostconfig in another case beside the good one', { hostconfig: { Privileged: true } }],
];

test.for(TAKEOVERS)('a container is refused with %s', ([, fields]) => {
  assert.equal(refusalOf(policy(), create({ ...goodBody(), ...fields })).code, 'POLICY_REFUSED');
});

test('keys that the daemon takes for one another are refused, wherever they are', () => {
  const text = JSON.stringify(goodBody());
  const doubled = [
    text.replace('{"Image"', '{"image":"evil/image","Image"'),
    text.replace('{"Image"', '{"Image":"evil/image","Image"'),
    text.replace('"Init":true', '"Init":true,"init":false'),
    text.replace('"Init":true', '"Init":true,"Init":true'),
    text.replace('"Init":true', String.raw`"Init":true,"In\u0069t":true`),
    // Go folds the long s.
    text.replace('"Labels"', '"Labelſ":{},"Labels"'),
  ];

  for (const body of doubled) {
    assert.notEqual(body, text);
    assert.equal(refusalOf(policy(), { ...create({}), body }).code, 'POLICY_REFUSED');
  }
});

test('a body that is empty, no JSON, or longer than any of ours is refused', () => {
  for (const body of [undefined, '', 'null', '[]', '{', `{"Image":"${'x'.repeat(1024 * 1024)}"}`])
    assert.equal(refusalOf(policy(), { ...create({}), body }).code, 'POLICY_REFUSED');
});

const CALLS: [method: string, path: string, body?: string][] = [
  ['POST', `/containers/${OWN}/exec`, '{"Privileged":true,"User":"root"}'],
  ['POST', `/exec/${OWN}/start`, '{}'],
  ['PUT', `/containers/${OWN}/archive`],
  ['GET', `/containers/${OWN}/archive`],
  ['GET', `/containers/${OWN}/export`],
  ['GET', `/containers/${OWN}/attach/ws`],
  ['POST', `/containers/${OWN}/attach`],
  ['POST', `/containers/${OWN}/update`, '{"Memory":0}'],
  ['POST', `/containers/${OWN}/rename`],
  ['POST', `/containers/${OWN}/restart`],
  ['POST', '/containers/prune'],
  ['POST', '/commit'],
  ['GET', '/images/nekogate/desktop/get'],
  ['POST', '/images/load'],
  ['POST', '/images/prune'],
  ['DELETE', '/images/nekogate/desktop'],
  ['POST', '/build'],
  ['POST', '/session'],
  ['POST', '/grpc'],
  ['GET', '/plugins'],
  ['POST', '/plugins/pull'],
  ['POST', '/swarm/init', '{}'],
  ['POST', '/services/create', '{}'],
  ['GET', '/secrets'],
  ['GET', '/configs'],
  ['POST', `/networks/${OWN}/connect`, '{}'],
  ['POST', '/networks/prune'],
  ['DELETE', '/volumes/nekogate-home-a'],
  ['DELETE', '/volumes/postgres-data'],
  ['DELETE', '/volumes/nekogate-home-../postgres-data'],
  ['GET', '/volumes/postgres-data'],
  ['POST', '/volumes/prune'],
  ['GET', '/volumes'],
  ['GET', '/info'],
  ['GET', '/containers/json'],
  ['GET', '/events'],
  ['GET', '/networks'],
  ['GET', '/v1.41/containers/json'],
  ['GET', `/containers/${OTHER}/json`],
  ['POST', `/containers/${OTHER}/kill`],
  ['GET', '/containers/gateway/json'],
  ['GET', `/containers/${OWN.slice(0, 12)}/json`],
  ['GET', `/containers/${OWN}/../${OTHER}/json`],
  ['GET', `/containers//${OWN}/json`],
  ['GET', `/containers/${OWN}%2fjson`],
  ['GET', `/containers/${OWN}/json/`],
  ['GET', '/images/evil/json'],
  ['get', '/_ping'],
];

test.for(CALLS)('an agent never calls %s %s', ([method, path, body]) => {
  const own = policy();

  assert.equal(refusalOf(own, { method, path, query: {}, body }).code, 'POLICY_REFUSED');
});

test('a container is touched only while the daemon says that it is ours', () => {
  const own = policy();
  const start = { method: 'POST', path: `/containers/${OTHER}/start`, query: {} };

  const before = refusalOf(own, start);
  own.own(OTHER);
  const meanwhile = own.check(start);
  own.disown(OTHER);
  const after = refusalOf(own, start);

  assert.equal(before.code, 'POLICY_REFUSED');
  assert.deepEqual(meanwhile, { query: {} });
  assert.equal(after.code, 'POLICY_REFUSED');
});

test('a home can be looked at, and removed once the daemon has said that it is ours, without force', () => {
  const own = policy();
  const path = '/volumes/nekogate-home-ann';

  assert.deepEqual(own.check({ method: 'GET', path, query: {} }), { query: {} });
  own.own('nekogate-home-ann');

  assert.deepEqual(own.check({ method: 'DELETE', path, query: {} }), { query: {} });
  assert.equal(refusalOf(own, { method: 'DELETE', path, query: { force: 'true' } }).code, 'POLICY_REFUSED');
});

test('lists and events are of our own label alone', () => {
  const list = (filters: unknown): DockerCall => ({
    method: 'GET',
    path: '/containers/json',
    query: { all: 'true', filters: JSON.stringify(filters) },
  });
  const own = policy();

  own.check(list({ label: ['nekogate.agent=host-1'] }));
  own.check(list({ label: ['nekogate.ports'] }));

  for (const filters of [
    {},
    { label: [] },
    { label: ['nekogate.agent=host-2'] },
    { label: ['nekogate.agent=host-1'], name: ['x'] },
  ])
    assert.equal(refusalOf(own, list(filters)).code, 'POLICY_REFUSED');
});

test('volumes and networks are plain ones of ours', () => {
  const own = policy();
  const volume = { Name: 'nekogate-home-a', Driver: 'local', Labels: { 'nekogate.agent': 'host-1' } };
  const network = {
    Name: 'nekogate-s-1',
    Driver: 'bridge',
    CheckDuplicate: true,
    Labels: { 'nekogate.agent': 'host-1' },
  };
  const make = (kind: string, body: unknown): DockerCall => ({
    method: 'POST',
    path: `/${kind}/create`,
    query: {},
    body: JSON.stringify(body),
  });

  assert.deepEqual(own.check(make('volumes', volume)).body, volume);
  assert.deepEqual(own.check(make('networks', network)).body, network);

  const refused = [
    make('volumes', { ...volume, DriverOpts: { type: 'none', o: 'bind', device: '/' } }),
    make('volumes', { ...volume, DriverOpts: { type: 'nfs', o: 'addr=192.0.2.1', device: ':/' } }),
    make('volumes', { ...volume, Driver: 'rclone' }),
    make('volumes', { ...volume, Name: 'postgres-data' }),
    make('networks', { ...network, Driver: 'macvlan' }),
    make('networks', { ...network, Options: { 'com.docker.network.bridge.name': 'docker0' } }),
    make('networks', { ...network, Name: 'host' }),
  ];
  for (const call of refused) assert.equal(refusalOf(own, call).code, 'POLICY_REFUSED');
});

test('images are those of the list, whatever their tag or digest, and no others', () => {
  const own = policy(['nekogate/desktop*', 'ghcr.io/example/neko/*']);
  const digest = `@sha256:${'0'.repeat(64)}`;

  for (const name of [
    'nekogate/desktop',
    'nekogate/desktop:1.2',
    'ghcr.io/example/neko/firefox:3',
    `ghcr.io/example/neko/chromium:3${digest}`,
    'nekogate/desktop-large:1',
    `nekogate/desktop${digest}`,
  ])
    assert.isTrue(own.isAllowedImage(name), name);
  for (const name of [
    '',
    'nekogate/gateway',
    'ghcr.io/m1k1o/neko/firefox:3',
    'xnekogate/desktop',
    'ghcr.io/example/nekox/firefox',
    'ghcr.io/other/neko/firefox',
    'ghcr.io/example/neko/../../evil',
    'NEKOGATE/desktop',
    'nekogate/desktop evil',
    'nekogate/desktop\n',
  ])
    assert.isFalse(own.isAllowedImage(name), name);
});

test('of the host a container gets folders of declared roots, as they are written and as they may be had', async () => {
  await using shared = await openShared();
  const { own, mounting, folder } = shared;

  for (const mount of [
    { Source: folder, ReadOnly: true },
    { Source: join(folder, 'sub', 'deep'), ReadOnly: true },
    { Source: join(folder, 'writable'), ReadOnly: false },
    { Source: join(folder, 'writable', 'x'), ReadOnly: false, Target: '/home/neko/Downloads' },
  ])
    own.check(mounting(mount));

  const refused: [what: string, mount: Record<string, unknown>][] = [
    ['the root folder', { Source: '/' }],
    ['processes', { Source: '/proc' }],
    ['the kernel', { Source: '/sys' }],
    ['devices', { Source: '/dev' }],
    ['settings', { Source: '/etc' }],
    ["Docker's socket", { Source: '/var/run/docker.sock' }],
    ['a folder beside the root', { Source: join(folder, '..', 'beside') }],
    ['a folder that only begins like it', { Source: `${folder}-private` }],
    ['what contains the root', { Source: dirname(folder) }],
    ['a way out by ..', { Source: `${folder}/../private` }],
    ['a way by .. that ends inside', { Source: `${folder}/sub/../sub` }],
    ['a slash at the end', { Source: `${folder}/` }],
    ['two slashes', { Source: `${folder}//sub` }],
    ['a relative path', { Source: 'sub' }],
    ['a link out of it', { Source: join(folder, 'out') }],
    ['what lies behind a link out of it', { Source: join(folder, 'out', 'passwd') }],
    ['a link that stays inside', { Source: join(folder, 'in') }],
    ['a link to the root folder', { Source: join(folder, 'everything', 'etc') }],
    ['a file', { Source: join(folder, 'file') }],
    ['nothing', { Source: join(folder, 'nothing') }],
    ['a folder to write, in a root to read', { Source: join(folder, 'sub'), ReadOnly: false }],
    ['a folder without a word on writing', { Source: join(folder, 'sub'), ReadOnly: undefined }],
    ['a target of the system', { Target: '/etc' }],
    ['a target over programs', { Target: '/usr/bin' }],
    ["a target over the container's own processes", { Target: '/proc/sys' }],
    ['a whole home as target', { Target: '/home/neko' }],
    ['a target with ..', { Target: '/mnt/../etc' }],
    ['no target', { Target: '' }],
    ['mounts below it, too', { BindOptions: { Propagation: 'rprivate' } }],
    ['a propagation to the host', { BindOptions: { Propagation: 'rshared', NonRecursive: true } }],
    [
      'a folder that Docker makes',
      { BindOptions: { Propagation: 'rprivate', NonRecursive: true, CreateMountpoint: true } },
    ],
    ['options of a volume', { VolumeOptions: {} }],
    ['a volume by a path', { Type: 'volume' }],
    ['a file system in memory', { Type: 'tmpfs' }],
    ['a named pipe', { Type: 'npipe' }],
  ];
  for (const [what, mount] of refused) assert.throws(() => own.check(mounting(mount)), /POLICY|refused/, what);
  assert.throws(() => own.check(mounting({}, {})), /one target twice/);
  assert.throws(() => policy().check(mounting({})), /declared root/);
});

test('a folder that was let through is refused once a link is in its place', async () => {
  await using shared = await openShared();
  const { own, mounting, folder } = shared;
  const call = mounting({ Source: join(folder, 'sub', 'deep') });
  own.check(call);

  await rm(join(folder, 'sub'), { recursive: true });
  await symlink('/etc', join(folder, 'sub'));

  assert.equal(refusalOf(own, call).code, 'POLICY_REFUSED');
});

test('only images on the list for it start as root, and with nothing but what their first process needs', () => {
  const own = policy(['nekogate/desktop*'], ['ghcr.io/m1k1o/neko/*:3']);
  const body = (Image: string, capabilities: object) => {
    const good = goodBody();
    return create({ ...good, Image, HostConfig: { ...good.HostConfig, ...capabilities } });
  };
  const six = { CapAdd: [...FIRST_PROCESS_CAPABILITIES] };

  own.check(body('ghcr.io/m1k1o/neko/firefox:3', six));
  own.check(body('ghcr.io/m1k1o/neko/firefox:3', {}));
  own.checkRootImage('ghcr.io/m1k1o/neko/firefox:3');

  for (const call of [
    body('nekogate/desktop:1', six),
    body('nekogate/desktop:1', { CapAdd: [] }),
    body('ghcr.io/m1k1o/neko/firefox:2', six),
    body('ghcr.io/m1k1o/neko/firefox:3', { CapAdd: ['NET_RAW'] }),
    body('ghcr.io/m1k1o/neko/firefox:3', { CapAdd: [...FIRST_PROCESS_CAPABILITIES, 'SYS_ADMIN'] }),
  ])
    assert.equal(refusalOf(own, call).code, 'POLICY_REFUSED');
  for (const name of ['nekogate/desktop:1', 'ghcr.io/m1k1o/neko/firefox:2', 'ghcr.io/m1k1o/neko/../evil:3'])
    assert.throws(() => own.checkRootImage(name), /starts as root.*--allow-root-image/);
});

test('a pattern with a tag holds to it', () => {
  const own = policy(['kiosk:2.*', 'registry.example:5000/kiosk']);

  assert.isTrue(own.isAllowedImage('kiosk:2.1'));
  assert.isTrue(own.isAllowedImage('registry.example:5000/kiosk:9'));
  assert.isFalse(own.isAllowedImage('kiosk:3.0'));
  assert.isFalse(own.isAllowedImage('kiosk'));
  assert.isFalse(own.isAllowedImage('registryxexample:5000/kiosk'));
});

test('pulls are of allowed images, and from nowhere but their registry', () => {
  const own = policy();
  const pull = (query: Record<string, string>): DockerCall => ({ method: 'POST', path: '/images/create', query });

  own.check(pull({ fromImage: 'nekogate/desktop', tag: '1' }));

  for (const query of [
    { fromImage: 'evil/image', tag: '1' },
    { fromSrc: 'http://198.51.100.1/image.tar' },
    { fromImage: 'nekogate/desktop', tag: '1', platform: 'x' },
  ])
    assert.equal(refusalOf(own, pull(query)).code, 'POLICY_REFUSED');
});

function policy(
  allowImages = DEFAULT_ALLOWED_IMAGES,
  allowRootImages: string[] = [],
  mountRoots: MountRoot[] = [],
): DockerPolicy {
  const made = new DockerPolicy({
    agentId: 'host-1',
    allowImages,
    allowRootImages,
    mountRoots,
    udpPorts: { min: 59_000, max: 59_999 },
    udpPortsMax: 8,
    publishAddress: '',
    seccompProfile: PROFILE,
  });
  made.own(OWN);
  return made;
}

/** A root to read with a writable one in it, and what people try with them. */
async function openShared() {
  const temporary = await temporaryFolder();
  const path = await realpath(temporary.path);
  const folder = join(path, 'shared');
  for (const name of ['shared/sub/deep', 'shared/writable/x', 'shared-private', 'private', 'beside'])
    await mkdir(join(path, name), { recursive: true });
  await writeFile(join(folder, 'file'), '');
  await symlink('/etc', join(folder, 'out'));
  await symlink('/', join(folder, 'everything'));
  await symlink('sub', join(folder, 'in'));
  const roots = openMountRoots(
    [
      { name: 'shared', path: folder, isWritable: false },
      { name: 'writable', path: join(folder, 'writable'), isWritable: true },
    ],
    [],
  );
  const mounting = (...mounts: Record<string, unknown>[]): DockerCall => {
    const good = goodBody();
    const bind = {
      Type: 'bind',
      Source: folder,
      Target: '/mnt/shared',
      ReadOnly: true,
      BindOptions: { Propagation: 'rprivate', NonRecursive: true },
    };
    const Mounts = [...(good.HostConfig?.Mounts ?? []), ...mounts.map((mount) => ({ ...bind, ...mount }))];
    return create({ ...good, HostConfig: { ...good.HostConfig, Mounts } });
  };
  const own = policy(DEFAULT_ALLOWED_IMAGES, [], roots);
  return { own, mounting, folder, [Symbol.asyncDispose]: () => temporary[Symbol.asyncDispose]() };
}

function labels(): Record<string, string> {
  return encodeLabels({
    agentId: 'host-1',
    sessionId: 's-1',
    epoch: 'e',
    spec: SessionSpec.parse({}),
    ports: { min: 59_000, max: 59_007 },
    created: '2026-01-01T00:00:00.000Z',
  });
}

function goodBody() {
  return containerBodyOf({
    image: 'nekogate/desktop:1',
    facts: { startsAsRoot: false, workingFolder: '/home/nekogate', labels: {} },
    spec: SessionSpec.parse({ home: 'jane' }),
    ports: { min: 59_000, max: 59_007 },
    udpMux: false,
    nat1to1: ['192.0.2.1'],
    secrets: { adminPassword: 'a', userPassword: 'u' },
    network: 'nekogate-s-1',
    binds: [],
    labels: labels(),
    publishAddress: '',
    seccompProfile: PROFILE,
  });
}

function ports(min: number, max: number): Record<string, unknown> {
  return Object.fromEntries(
    Array.from({ length: max - min + 1 }, (_, offset) => [
      `${min + offset}/udp`,
      [{ HostIp: '', HostPort: String(min + offset) }],
    ]),
  );
}

function create(body: object): DockerCall {
  return { method: 'POST', path: '/containers/create', query: { name: 'nekogate-s-1' }, body: JSON.stringify(body) };
}

function refusalOf(own: DockerPolicy, call: DockerCall): GatewayError {
  try {
    own.check(call);
  } catch (thrown) {
    if (thrown instanceof GatewayError) return thrown;
    throw thrown;
  }
  throw new Error(`${call.method} ${call.path} was let through`);
}
