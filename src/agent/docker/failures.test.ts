import { assert, test } from 'vitest';
import { failureOf, isPortTaken } from './failures.ts';
import { missing } from './pull.ts';

const HOST = 'unix:///var/run/docker.sock';

test.for<[what: string, cause: Error, code: string, text: RegExp]>([
  [
    'no daemon',
    withCode('connect ENOENT /var/run/docker.sock', 'ENOENT'),
    'DOCKER_UNAVAILABLE',
    /is dockerd running\?/,
  ],
  [
    'a socket of others',
    withCode('connect EACCES /var/run/docker.sock', 'EACCES'),
    'DOCKER_UNAVAILABLE',
    /add it to the group docker/,
  ],
  ['a daemon that ended meanwhile', withCode('socket hang up', 'ECONNRESET'), 'DOCKER_UNAVAILABLE', /does not answer/],
  ['a daemon that hangs', new Error('no answer in 30000 ms'), 'DOCKER_UNAVAILABLE', /no answer in 30000 ms/],
  ['a full disk', answered(500, 'mkdir /var/lib/docker/overlay2/x: no space left on device'), 'DISK_FULL', /free some/],
  [
    'no addresses',
    answered(404, 'could not find an available, non-overlapping IPv4 address pool among the defaults'),
    'DOCKER_FAILED',
    /default-address-pools/,
  ],
  [
    'anything else',
    answered(500, 'OCI runtime create failed'),
    'DOCKER_FAILED',
    /Docker said: OCI runtime create failed$/,
  ],
])('%s is told as what it is', ([, cause, code, text]) => {
  const failure = failureOf('starting a container', HOST, cause);

  assert.equal(failure.code, code);
  assert.match(failure.message, text);
});

test('a port that somebody has is known by the words of the daemon', () => {
  const words = [
    'driver failed programming external connectivity on endpoint x: Bind for 0.0.0.0:59000 failed: port is already allocated',
    'driver failed programming external connectivity on endpoint x: Error starting userland proxy: listen udp4 0.0.0.0:59000: bind: address already in use',
  ];

  for (const text of words) assert.isTrue(isPortTaken(failureOf('starting', HOST, answered(500, text))));
  assert.isFalse(isPortTaken(failureOf('starting', HOST, answered(500, 'no such image'))));
});

test('a pull that fails for want of room is no missing image', () => {
  assert.equal(missing('x', 'write /var/lib/docker/tmp/y: no space left on device').code, 'DISK_FULL');
  assert.equal(missing('x', 'manifest unknown').code, 'IMAGE_MISSING');
});

function withCode(message: string, code: string): Error {
  return Object.assign(new Error(message), { code });
}

/** As dockerode has the daemon's answers. */
function answered(statusCode: number, message: string): Error {
  return Object.assign(new Error(`(HTTP code ${statusCode}) unexpected - ${message} `), {
    statusCode,
    json: { message },
  });
}
