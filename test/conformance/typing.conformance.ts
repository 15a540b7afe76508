import { assert, test } from 'vitest';
import { describeRoom } from './room.ts';
import { target } from './target.ts';
import { Terminal } from './terminal.ts';

const SHIFT = 0xffe1;
const RETURN = 0xff0d;
const BACKSPACE = 0xff08;
const UNICODE = 0x0100_0000;

/** What neko types, and what the embedded streamer types where it does better (docs/conformance.md says why). */
const better = (neko: string, embedded: string): string => (target().kind === 'embedded' ? embedded : neko);

describeRoom('typing over the data channel', { display: true }, (room) => {
  test('lower-case letters, digits and signs without Shift come as they are', async () => {
    assert.equal(await typed(({ tap }) => tap('abz019-=[];,./')), 'abz019-=[];,./');
  });

  test('upper-case letters and signs with Shift around them, as a browser sends them, come as they are', async () => {
    const line = await typed(({ hold, tap }) => hold(SHIFT, () => tap('HELLO!@#$%^&*()_+{}|:"<>?~')));

    assert.equal(line, 'HELLO!@#$%^&*()_+{}|:"<>?~');
  });

  test('an upper-case letter alone comes out lower-case', async () => {
    assert.equal(await typed(({ tap }) => tap('aHb')), better('ahb', 'aHb'));
  });

  test.each(['!', '{', '~', 'é', 'ß', '€', '漢'])('%s alone comes as it is', async (sign) => {
    assert.equal(await typed(({ tap }) => tap(sign)), sign);
  });

  test('letters that no key has come right one after the other, among those that have one', async () => {
    assert.equal(await typed(({ tap }) => tap('é€漢ß aé!b漢c {~}')), 'é€漢ß aé!b漢c {~}');
  });

  test('Backspace and Return do what they do', async () => {
    assert.equal(
      await typed(({ tap, press }) => {
        tap('ab');
        press(BACKSPACE);
        tap('c');
      }),
      'ac',
    );
  });

  test('many letters at once come all, in order', async () => {
    const text = 'the quick brown fox jumps over the lazy dog 0123456789 '.repeat(4).trim();

    assert.equal(await typed(({ tap }) => tap(text)), text);
  });

  async function typed(keys: (typist: Typist) => void): Promise<string> {
    await using terminal = await Terminal.open(room().xvnc);
    const { media } = await room().driving();
    media.input({ type: 'move', x: 100, y: 100 });
    await media.settle();
    const typist = typistOf((down, keysym) => media.input({ type: 'key', down, keysym }));

    keys(typist);
    typist.press(RETURN);

    const line = await terminal.line();
    return line;
  }
});

describeRoom('typing over the WebSocket', { display: true }, (room) => {
  test('control/keypress types what keys do, and Shift by control/keydown holds for keys by keydown', async () => {
    await using terminal = await Terminal.open(room().xvnc);
    const client = await room().connected();
    client.send('control/move', { x: 100, y: 100 });

    for (const letter of 'ab1') client.send('control/keypress', { keysym: keysymOf(letter) });
    typistOf((down, keysym) => client.send(down ? 'control/keydown' : 'control/keyup', { keysym })).hold(SHIFT, () => {
      client.send('control/keydown', { keysym: keysymOf('C') });
      client.send('control/keyup', { keysym: keysymOf('C') });
    });
    client.send('control/keypress', { keysym: RETURN });

    assert.equal(await terminal.line(), 'ab1C');
  });

  test('an upper-case letter by control/keypress comes out lower-case', async () => {
    await using terminal = await Terminal.open(room().xvnc);
    const client = await room().connected();
    client.send('control/move', { x: 100, y: 100 });

    for (const keysym of [keysymOf('H'), RETURN]) client.send('control/keypress', { keysym });

    assert.equal(await terminal.line(), better('h', 'H'));
  });
});

interface Typist {
  press: (keysym: number) => void;
  tap: (text: string) => void;
  hold: (keysym: number, meanwhile: () => void) => void;
}

function typistOf(key: (down: boolean, keysym: number) => void): Typist {
  const press = (keysym: number): void => {
    key(true, keysym);
    key(false, keysym);
  };
  return {
    press,
    tap: (text) => {
      for (const letter of text) press(keysymOf(letter));
    },
    hold: (keysym, meanwhile) => {
      key(true, keysym);
      meanwhile();
      key(false, keysym);
    },
  };
}

function keysymOf(letter: string): number {
  const code = letter.codePointAt(0) ?? 0;
  return code <= 0xff ? code : UNICODE + code;
}
