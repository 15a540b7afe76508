import assert from 'node:assert/strict';
import { describe, test } from 'vitest';
import { piecesOf, seeded } from '../../test/harness/rfb-messages.ts';
import { welcomeClient } from './client-side.ts';
import { Dialogue, type Script } from './dialogue.ts';
import { answerChallenge, encodePasswordFile } from './password.ts';
import { loginToServer } from './server-side.ts';

const CHALLENGE = '000102030405060708090a0b0c0d0e0f';
const V33 = hexOf('RFB 003.003\n');
const V37 = hexOf('RFB 003.007\n');
const V38 = hexOf('RFB 003.008\n');

function hexOf(text: string): string {
  return Buffer.from(text).toString('hex');
}

/** A whole conversation whose other side says `heard` whatever it is told: what was said, and what came after the end. */
function converse(script: () => Script<void>, heard: string): { said: string; rest: string | undefined } {
  const run = (pieces: Iterable<Uint8Array>): { said: string; rest: string | undefined } => {
    const said: Uint8Array[] = [];
    const dialogue = new Dialogue(script(), (bytes) => said.push(bytes));
    let end = dialogue.push(Buffer.alloc(0));
    const rest: Uint8Array[] = [];
    for (const piece of pieces) {
      if (end) rest.push(piece);
      else {
        end = dialogue.push(piece);
        if (end) rest.push(end.rest);
      }
    }
    return {
      said: Buffer.concat(said).toString('hex'),
      rest: end ? Buffer.concat(rest).toString('hex') : undefined,
    };
  };
  const bytes = Buffer.from(heard.replaceAll(' ', ''), 'hex');
  const whole = run([bytes]);
  for (const max of [1, 5, 20]) assert.deepEqual(run(piecesOf(bytes, max, seeded(max))), whole);
  return whole;
}

describe('towards a VNC server', () => {
  const login = (heard: string, password?: string): { said: string; rest: string | undefined } =>
    converse(
      () => loginToServer({ answer: password === undefined ? undefined : (bytes) => answerChallenge(password, bytes) }),
      heard,
    );
  const answer = Buffer.from(answerChallenge('secret', Buffer.from(CHALLENGE, 'hex'))).toString('hex');

  test.each([
    ['3.8', `${V38}0101 00000000 aabb`, `${V38}01 01`],
    ['3.7, which has no result for it', `${V37}0101 aabb`, `${V37}01 01`],
    ['3.3, where the server decides', `${V33}00000001 aabb`, `${V33} 01`],
    ["Apple's 3.889", `${hexOf('RFB 003.889\n')}0101 00000000 aabb`, `${V38}01 01`],
    ['5.0', `${hexOf('RFB 005.000\n')}021e01 00000000 aabb`, `${V38}01 01`],
    ["UltraVNC's 3.6", `${hexOf('RFB 003.006\n')}00000001 aabb`, `${V33} 01`],
  ])('a server without a password is entered, in %s', (_version, heard, said) => {
    assert.deepEqual(login(heard), { said: said.replaceAll(' ', ''), rest: 'aabb' });
  });

  test.each([
    ['3.8', `${V38}021002${CHALLENGE}00000000aabb`, `${V38}02${answer}01`],
    ['3.7', `${V37}0102${CHALLENGE}00000000aabb`, `${V37}02${answer}01`],
    ['3.3', `${V33}00000002${CHALLENGE}00000000aabb`, `${V33}${answer}01`],
  ])('a server with a password is entered with it, in %s', (_version, heard, said) => {
    assert.deepEqual(login(heard, 'secret'), { said: said.replaceAll(' ', ''), rest: 'aabb' });
  });

  test.each([
    ['is no VNC server', hexOf('SSH-2.0-OpenSSH_9.2\r\n'), 'speaks no RFB'],
    ['is no VNC server but a web server', hexOf('HTTP/1.1 400 Bad Request\r\n'), 'speaks no RFB'],
    ['refuses with a reason', `${V38}00 00000008 ${hexOf('too many')}`, 'too many'],
    ['refuses with a reason, in 3.3', `${V33}00000000 00000008 ${hexOf('too many')}`, 'too many'],
    ['refuses with a reason that has no end', `${V38}00 ffffffff`, 'at length'],
    ['wants a password that is not known', `${V38}0102`, 'security types 2'],
    ['wants a password that is not known, in 3.3', `${V33}00000002`, 'password'],
    ['wants what is not spoken here', `${V38}021310`, 'security types 19, 16'],
    ['refuses in the end', `${V38}0101 00000001 00000003 ${hexOf('why')}`, 'why'],
  ])('what %s is told as such', (_what, heard, message) => {
    assert.throws(
      () => login(heard),
      (error: { code?: string; message: string }) => error.code === 'VNC_FAILED' && error.message.includes(message),
    );
  });

  test('a wrong password is told as a refusal, with and without a reason', () => {
    const refusal = `00000001 00000005 ${hexOf('wrong')}`;
    assert.throws(() => login(`${V38}0102${CHALLENGE}${refusal}`, 'secret'), { code: 'VNC_FAILED', message: /wrong/ });
    assert.throws(() => login(`${V33}00000002${CHALLENGE}00000001`, 'secret'), { code: 'VNC_FAILED' });
  });
});

describe('towards a VNC client', () => {
  test.each([
    ['3.8', `${V38}01 01 aabb`, `${V38}0101 00000000`],
    ['3.7', `${V37}01 00 aabb`, `${V38}0101`],
    ['3.3', `${V33} 01 aabb`, `${V38}00000001`],
    ['3.5, which is 3.3', `${hexOf('RFB 003.005\n')} 00 aabb`, `${V38}00000001`],
  ])('a client of %s is let in', (_version, heard, said) => {
    assert.deepEqual(converse(welcomeClient, heard), { said: said.replaceAll(' ', ''), rest: 'aabb' });
  });

  test.each([
    ['speaks something else', hexOf('GET / HTTP/1.1\r\n')],
    ['takes what was not offered', `${V38}02`],
  ])('a client that %s is refused', (_what, heard) => {
    assert.throws(() => converse(welcomeClient, heard), { code: 'BAD_FRAME' });
  });

  test('a client that says half of it is waited for', () => {
    assert.deepEqual(converse(welcomeClient, V38), { said: `${V38}0101`, rest: undefined });
  });
});

test('a password is written as every VNC server reads it', () => {
  // As `vncpasswd -f` writes "password".
  assert.equal(Buffer.from(encodePasswordFile('password')).toString('hex'), 'dbd83cfd727a1458');
  assert.deepEqual(encodePasswordFile('password and more'), encodePasswordFile('password'));
});
