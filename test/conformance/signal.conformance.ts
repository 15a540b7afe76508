import { assert, test } from 'vitest';
import type { JoinOptions, NekoClient } from '../harness/neko-client.ts';
import { describeRoom, type Room } from './room.ts';
import { frameSizes, TWO_QUALITIES } from './video.ts';

describeRoom('signal/request', { flags: TWO_QUALITIES, busy: true }, (room) => {
  test('is answered by candidates first, then signal/provide with offer, ICE servers, video and audio', async () => {
    const client = await room().connected();

    const media = await client.join();

    const signals = client.log.map(({ event }) => event).filter((event) => event.startsWith('signal/'));
    assert.equal(signals[0], 'signal/candidate');
    assert.include(signals, 'signal/provide');
    const provide = client.log.find((message) => message.event === 'signal/provide');
    assert.ok(provide?.event === 'signal/provide');
    assert.deepEqual(provide.payload.video, { disabled: false, id: 'hq', video: 'hq', auto: false });
    assert.deepEqual(provide.payload.audio, { disabled: false });
    assert.deepEqual(provide.payload.iceservers, []);
    assert.deepEqual(media.channel, { label: 'data', ordered: true });
  });

  test('’s candidates are RTCIceCandidateInits of the addresses that were given', async () => {
    const client = await room().connected();
    await client.join();

    const candidates = client.log.flatMap((message) => (message.event === 'signal/candidate' ? [message.payload] : []));
    assert.isNotEmpty(candidates);
    for (const { candidate, sdpMLineIndex } of candidates) {
      assert.match(candidate, /^candidate:\S+ 1 udp \d+ [\da-f.:]+ \d+ typ host/);
      assert.equal(sdpMLineIndex, 0);
    }
  });

  test('’s offer has VP8 as 96, Opus as 111 and a data channel in one bundle, lite, the server passive or either', async () => {
    const client = await room().connected();
    client.send('signal/request', {});

    const { payload } = await client.next('signal/provide');

    const lines = payload.sdp.split('\r\n');
    assert.includeMembers(lines, [
      'a=ice-lite',
      'a=rtpmap:96 VP8/90000',
      'a=rtpmap:111 opus/48000/2',
      'a=setup:actpass',
    ]);
    assert.sameMembers(
      lines.flatMap((line) => (line.startsWith('m=') ? [line.split(' ')[0]] : [])),
      ['m=application', 'm=audio', 'm=video'],
    );
    assert.equal(lines.filter((line) => line.startsWith('a=group:BUNDLE')).length, 1);
    assert.includeMembers(lines, ['a=rtcp-fb:96 nack', 'a=rtcp-fb:96 nack pli']);
  });

  test('without a payload’s fields takes the first video and sound', async () => {
    const client = await room().connected();
    client.send('signal/request', {});

    const { payload } = await client.next('signal/provide');

    assert.deepEqual([payload.video.id, payload.video.disabled, payload.audio.disabled], ['hq', false, false]);
  });

  test('with a selector takes that video: its frames have its size', async () => {
    const { client, media } = await room().watching({ request: { video: { selector: { id: 'lq', type: 'exact' } } } });
    await media.firstKeyFrame;

    assert.deepEqual(frameSizes(media), ['640x360']);
    const provide = client.log.find((message) => message.event === 'signal/provide');
    assert.ok(provide?.event === 'signal/provide' && provide.payload.video.id === 'lq');
  });

  test('also brings signal/video, and signal/audio where sound is on, at about the time of signal/provide', async () => {
    const { client } = await room().watching();

    const video = await client.next('signal/video');
    const audio = await client.next('signal/audio');

    assert.deepEqual(video.payload, { disabled: false, id: 'hq', video: 'hq', auto: false });
    assert.deepEqual(audio.payload, { disabled: false });
  });

  test('for a video that there is not gets no signal/provide', async () => {
    const client = await room().connected();

    client.send('signal/request', { video: { selector: { id: 'none', type: 'exact' } } });
    await client.settle();

    assert.ok(client.log.every(({ event }) => event !== 'signal/provide'));
  });

  test('with video and sound disabled says so, and neither comes until it is switched on', async () => {
    const { client, media } = await room().watching({ video: false, audio: false });
    const provide = client.log.find((message) => message.event === 'signal/provide');
    assert.ok(provide?.event === 'signal/provide');
    assert.deepInclude(provide.payload.video, { disabled: true, id: 'hq' });
    assert.deepEqual(provide.payload.audio, { disabled: true });
    await media.quiet();
    assert.deepEqual([media.video.length, media.audio.length], [0, 0]);

    client.send('signal/video', { disabled: false });
    client.send('signal/audio', { disabled: false });

    const video = await client.next('signal/video', ({ payload }) => !payload.disabled);
    const audio = await client.next('signal/audio');
    assert.deepEqual(video.payload, { disabled: false, id: 'hq', video: 'hq', auto: false });
    assert.deepEqual(audio.payload, { disabled: false });
    await media.firstKeyFrame;
    await media.until(() => media.audio.length > 5);
  });

  test('without the right to watch gets no signal/provide', async () => {
    const client = await room().connected();
    await client.call('POST', '/profile', { can_watch: false });

    client.send('signal/request', {});
    await client.settle();

    assert.ok(client.log.every(({ event }) => !event.startsWith('signal/')));
  });

  test('that is answered makes its session watch, and all are told', async () => {
    const watcher = await room().connectedUser();
    const { client } = await room().watching();

    const { payload } = await watcher.next(
      'session/state',
      (message) => message.payload.id === client.id && message.payload.is_watching,
    );

    assert.isString(payload.watching_since);
  });

  test('again makes a new connection in place of the older, without signal/close', async () => {
    const { client, media } = await room().watching();
    await media.firstKeyFrame;

    const newer = await client.join();

    await newer.firstKeyFrame;
    await client.settle();
    assert.equal((await room().stateOf(client)).is_watching, true);
    assert.ok(client.log.every(({ event }) => event !== 'signal/close'));
  });
});

describeRoom('signal/video', { flags: TWO_QUALITIES, busy: true }, (room) => {
  test('switches to the video that is named: told in signal/video, its first frame is a key frame of its size', async () => {
    const { client, media } = await joined(room());
    await media.firstKeyFrame;

    client.send('signal/video', { selector: { id: 'lq', type: 'exact' } });

    const { payload } = await client.next('signal/video');
    assert.deepEqual(payload, { disabled: false, id: 'lq', video: 'lq', auto: false });
    await media.until(() => frameSizes(media).at(-1) === '640x360');
    assert.deepEqual(frameSizes(media), ['1280x720', '640x360']);
    assert.equal(new Set(media.video.map(({ header }) => header.ssrc)).size, 1);
  });

  test.each([
    ['lower than the first is the next in the list', { id: 'hq', type: 'lower' }, 'lq'],
    ['nearest to one that there is is itself', { id: 'lq', type: 'nearest' }, 'lq'],
    ['without a type is exact', { id: 'lq' }, 'lq'],
  ])('%s', async (_what, selector, expected) => {
    const { client } = await joined(room());

    client.send('signal/video', { selector });

    const { payload } = await client.next('signal/video');
    assert.equal(payload.id, expected);
  });

  test('higher than the last is the one before', async () => {
    const { client } = await joined(room(), { request: { video: { selector: { id: 'lq', type: 'exact' } } } });

    client.send('signal/video', { selector: { id: 'lq', type: 'higher' } });

    const { payload } = await client.next('signal/video');
    assert.equal(payload.id, 'hq');
  });

  test('changes nothing and tells nothing where there is no such video or no change', async () => {
    const { client } = await joined(room());

    for (const selector of [
      { id: 'hq', type: 'higher' },
      { id: 'none', type: 'exact' },
      { id: 'hq', type: 'exact' },
      { id: 'hq', type: 'odd' },
    ])
      client.send('signal/video', { selector });
    client.send('signal/video', { disabled: false });
    client.send('signal/audio', { disabled: true });
    await client.settle();

    assert.ok(client.messages.every(({ event }) => event !== 'signal/video' && event !== 'signal/audio'));
  });

  test('disables and enables the picture', async () => {
    const { client, media } = await joined(room());
    await media.firstKeyFrame;

    client.send('signal/video', { disabled: true });

    const off = await client.next('signal/video');
    assert.equal(off.payload.disabled, true);
    await media.quiet();
    const sofar = media.video.length;
    client.send('signal/video', { disabled: false });
    await client.next('signal/video', ({ payload }) => !payload.disabled);
    await media.until(() => media.video.length > sofar);
    assert.equal(frameSizes({ video: media.video.slice(sofar) })[0], '1280x720');
  });

  test('’s auto stays off where there is no estimator', async () => {
    const { client } = await joined(room());

    client.send('signal/video', { auto: true });
    await client.settle();

    assert.ok(client.messages.every(({ event }) => event !== 'signal/video'));
  });

  test('without a connection does nothing', async () => {
    const client = await room().connected();

    for (const event of ['video', 'audio', 'restart', 'answer', 'offer', 'candidate'])
      client.send(`signal/${event}`, {});
    await client.settle();

    assert.ok(client.log.every(({ event }) => !event.startsWith('signal/')));
  });
});

describeRoom('signal/audio', {}, (room) => {
  test('disables and enables the sound', async () => {
    const { client, media } = await room().watching({ video: false });
    await media.until(() => media.audio.length > 3);
    await client.next('signal/audio');

    client.send('signal/audio', { disabled: true });

    const { payload } = await client.next('signal/audio');
    assert.deepEqual(payload, { disabled: true });
    client.send('signal/audio', { disabled: false });
    await client.next('signal/audio', (message) => !message.payload.disabled);
    const sofar = media.audio.length;
    await media.until(() => media.audio.length > sofar + 3);
  });
});

describeRoom('a running connection', { busy: true }, (room) => {
  test('is restarted by signal/restart: an offer with new ICE credentials, the same picture goes on', async () => {
    const { client, media } = await room().watching();
    await media.firstKeyFrame;
    const first = offerOf(client);

    media.expectOffer();
    client.send('signal/restart');
    const { payload } = await client.next('signal/restart');
    await media.answer(payload.sdp, (sdp) => client.send('signal/answer', { sdp }));
    const sofar = media.video.length;
    await media.until(() => media.video.length > sofar + 30);

    assert.notEqual(attribute(payload.sdp, 'ice-ufrag'), attribute(first, 'ice-ufrag'));
    assert.notEqual(attribute(payload.sdp, 'ice-pwd'), attribute(first, 'ice-pwd'));
    assert.equal(attribute(payload.sdp, 'fingerprint'), attribute(first, 'fingerprint'));
    assert.equal(new Set(media.video.map(({ header }) => header.ssrc)).size, 1);
    await media.settle(5);
  });

  test('goes on after a restart by an address that its client told nobody, as browsers do', async () => {
    const { client, media } = await room().watching();
    await media.firstKeyFrame;

    media.expectOffer();
    client.send('signal/restart');
    const { payload } = await client.next('signal/restart');
    const candidates = /^a=candidate:.*\r\n/gm;
    await media.answer(payload.sdp, (sdp) => client.send('signal/answer', { sdp: sdp.replaceAll(candidates, '') }));

    const sofar = media.video.length;
    await media.until(() => media.video.length > sofar + 30);
    await media.settle(7);
    assert.equal(new Set(media.video.map(({ header }) => header.ssrc)).size, 1);
  });

  test('answers the client’s own signal/offer with signal/answer; the picture goes on', async () => {
    const { client, media } = await room().watching();
    await media.firstKeyFrame;

    client.send('signal/offer', { sdp: await media.offer() });
    const { payload } = await client.next('signal/answer');
    await media.accept(payload.sdp);
    const sofar = media.video.length;
    await media.until(() => media.video.length > sofar + 10);

    assert.match(payload.sdp, /^v=0\r\n/);
    await media.settle(6);
  });

  test('takes the client’s candidates', async () => {
    const { client, media } = await room().watching();

    client.send('signal/candidate', {
      candidate: 'candidate:1 1 udp 2130706431 127.0.0.1 9 typ host',
      sdpMid: '0',
      sdpMLineIndex: 0,
    });
    client.send('signal/candidate', { candidate: '', sdpMid: '0' });
    await client.settle();

    await media.settle();
    assert.equal(media.state, 'connected');
  });

  test(
    'that the client closes makes the session stop watching, and brings signal/close',
    { timeout: 40_000 },
    async () => {
      const { client, media } = await room().watching();
      await media.firstKeyFrame;

      await media.close();

      await client.next('signal/close');
      assert.equal((await room().stateOf(client)).is_watching, false);
    },
  );
});

/** A client that watches without sound, and has heard of the video that it got. */
async function joined(
  room: Room,
  options: JoinOptions = { audio: false },
): Promise<Awaited<ReturnType<Room['watching']>>> {
  const watching = await room.watching(options);
  await watching.client.next('signal/video');
  return watching;
}

function offerOf(client: NekoClient): string {
  const provide = client.log.find((message) => message.event === 'signal/provide');
  if (provide?.event !== 'signal/provide') throw new Error('no offer came');
  return provide.payload.sdp;
}

function attribute(sdp: string, name: string): string | undefined {
  return new RegExp(`^a=${name}:(.*)$`, 'm').exec(sdp)?.[1];
}
