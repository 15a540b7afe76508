import { join } from 'node:path';
import { assert, test } from 'vitest';
import { temporaryFolder } from '../../../test/harness/folder.ts';
import { startHostileEngine } from '../../../test/harness/hostile-engine.ts';
import { Engine } from '../engine.ts';
import { ASKED_LABEL, OWNER_LABEL } from '../labels.ts';
import { showInspect } from '../answers.ts';
import { rewriteCreate } from './create.ts';

const OWNER = 'me';
const REMOTE = [{ HostIp: '127.0.0.1', HostPort: '' }];

async function rewrite(body: string, exposed: Record<string, unknown> = {}): Promise<string> {
  await using folder = await temporaryFolder();
  await using daemon = await startHostileEngine(join(folder.path, 'engine.sock'), (socket) => {
    const image = JSON.stringify({ Config: { ExposedPorts: exposed } });
    socket.end(`HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: ${image.length}\r\n\r\n${image}`);
  });
  const engine = new Engine(() => daemon.dial());
  return (await rewriteCreate(engine, OWNER, Buffer.from(body))).toString();
}

test('published ports go to the loopback of the remote host, and all else stays byte for byte', async () => {
  const before =
    '{ "Image":"x","Odd":[1.50,9223372036854775807, 1e400],"Odd":2,"Umlaut":"ü\\u00fc","HostConfig":{"PortBindings":';
  const after = ',"Ulimits":[{"Hard":9223372036854775807}] },"Labels":{"a":"b"}}';

  const rewritten = await rewrite(`${before}{"80/tcp":[{"HostIp":"","HostPort":"8080"}]}${after}`);

  const asked = JSON.stringify(
    JSON.stringify({ bindings: { '80/tcp': [{ HostIp: '', HostPort: '8080' }] }, all: false }),
  );
  const labels = `,"${OWNER_LABEL}":"me","${ASKED_LABEL}":${asked}}}`;
  assert.equal(rewritten, `${before}${JSON.stringify({ '80/tcp': REMOTE })}${after.slice(0, -2)}${labels}`);
});

test('what publishes nothing, what the daemon will refuse, and what is no JSON stay as they are', async () => {
  const bodies = [
    '{"Image":"x","HostConfig":{"PortBindings":{}}}',
    '{"Image":"x","HostConfig":null}',
    '{"Image":"x","HostConfig":{"NetworkMode":"host","PortBindings":{"80/tcp":[{"HostPort":"8080"}]}}}',
    '{"Image":"x","HostConfig":{"PortBindings":{"80/tcp":[{"HostPort":"http"}]}}}',
    '{"Image":',
  ];

  for (const body of bodies) assert.equal(await rewrite(body), body);
});

test('keys are found as the daemon finds them: without regard to case, and all of them', async () => {
  const body =
    '{"hostconfig":{"portbindings":{"80/tcp":[{"HostPort":"1"}]},"PortBindings":{"81":[{"HostPort":""}]}},"labels":null}';

  const rewritten: unknown = JSON.parse(await rewrite(body));

  assert.deepInclude(rewritten, {
    hostconfig: { portbindings: {}, PortBindings: { '80/tcp': REMOTE, '81/tcp': REMOTE } },
  });
  const odd = await rewrite('{"HostConfig":{"PortBindings":{"80/tcp":[{"HostIp":null,"hostPort":"8080"}]}}}');
  assert.include(odd, JSON.stringify({ '80/tcp': REMOTE }));
  assert.include(odd, String.raw`{\"80/tcp\":[{\"HostPort\":\"8080\"}]}`);
  assert.nestedProperty(rewritten, `labels.${OWNER_LABEL.replaceAll('.', String.raw`\.`)}`);
});

test('-P publishes what the image and the order expose', async () => {
  const body = '{"Image":"x","ExposedPorts":{"90/tcp":{}},"HostConfig":{"PublishAllPorts":true}}';

  const rewritten: unknown = JSON.parse(await rewrite(body, { '80/tcp': {} }));

  assert.deepInclude(rewritten, {
    HostConfig: { PublishAllPorts: false, PortBindings: { '90/tcp': REMOTE, '80/tcp': REMOTE } },
  });
});

test('UDP is refused, whether it is asked for or exposed', async () => {
  const asked = rewrite('{"HostConfig":{"PortBindings":{"53/udp":[{"HostPort":"53"}]}}}').catch(String);
  const exposed = rewrite('{"Image":"x","HostConfig":{"PublishAllPorts":true}}', { '53/udp': {} }).catch(String);

  assert.include(await asked, "53/udp can't be published");
  assert.include(await exposed, 'publish what you need with -p instead of -P');
});

test('inspect shows what was asked for, where it is here, and big numbers as they are', () => {
  const labels = {
    [OWNER_LABEL]: OWNER,
    mine: 'ü',
    [ASKED_LABEL]: JSON.stringify({ bindings: { '80/tcp': [{ HostPort: '8080' }] }, all: false }),
  };
  const body = `{"Id":"c","Config":{"Labels":${JSON.stringify(labels)}},"HostConfig":{"PortBindings":{"80/tcp":[]},"Max":9223372036854775807},"NetworkSettings":{"Ports":{"80/tcp":[{"HostIp":"127.0.0.1","HostPort":"49153"}],"81/tcp":null}}}`;
  const forwards = { shown: () => [{ HostIp: '0.0.0.0', HostPort: '8080' }] };

  const shown = showInspect({ forwards, owner: OWNER }, Buffer.from(body)).toString();

  assert.equal(
    shown,
    '{"Id":"c","Config":{"Labels":{"mine":"ü"}},"HostConfig":{"PortBindings":{"80/tcp":[{"HostPort":"8080"}]},"Max":9223372036854775807},"NetworkSettings":{"Ports":{"80/tcp":[{"HostIp":"0.0.0.0","HostPort":"8080"}],"81/tcp":null}}}',
  );
  assert.equal(showInspect({ forwards, owner: 'another' }, Buffer.from(body)).toString(), body);
});
