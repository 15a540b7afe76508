import { assert, test } from 'vitest';
import type { RtpPacket } from 'werift';
import { startsVp8KeyFrame } from '../../src/neko/embedded/rtp-stream.ts';
import { describeRoom } from './room.ts';
import { frameSizes, vp8Size } from './video.ts';

const SEQUENCE_MASK = 0xffff;
const TIMESTAMP_RANGE = 2 ** 32;
const CLOCK_HZ = 90_000;

describeRoom('the picture', { busy: true }, (room) => {
  test('has a key frame of the screen’s size within about a second', async () => {
    const { media } = await room().watching();

    const first = await media.firstKeyFrame;

    assert.equal(vp8Size(first.payload), '1280x720');
    assert.isAtMost(framesOf(media.video).length, 30);
  });

  test('is one stream of payload type 96, numbered without gaps', async () => {
    const { media } = await room().watching();
    await media.until(() => media.video.length > 100);

    const headers = media.video.map(({ header }) => header);
    assert.equal(new Set(headers.map(({ ssrc }) => ssrc)).size, 1);
    assert.deepEqual([...new Set(headers.map(({ payloadType }) => payloadType))], [96]);
    const numbers = headers.map(({ sequenceNumber }) => sequenceNumber);
    assert.ok(
      numbers.every((number, index) => index === 0 || number === (((numbers[index - 1] ?? 0) + 1) & SEQUENCE_MASK)),
    );
  });

  test('has one timestamp a frame, which rises by less than a second, and the marker on each frame’s last packet', async () => {
    const { media } = await room().watching();
    await media.until(() => framesOf(media.video).length > 40);

    const frames = framesOf(media.video).slice(0, -1);
    for (const frame of frames) {
      const markers = frame.map(({ header }) => header.marker);
      assert.deepEqual(markers, [...frame.slice(1).map(() => false), true]);
    }
    const times = frames.map(([first]) => first?.header.timestamp ?? 0);
    const steps = times.slice(1).map((time, index) => (time - (times[index] ?? 0) + TIMESTAMP_RANGE) % TIMESTAMP_RANGE);
    assert.ok(steps.every((step) => step > 0 && step < CLOCK_HZ));
  });

  test('starts a frame in the packet that says so, in VP8’s payload descriptor', async () => {
    const { media } = await room().watching();
    await media.until(() => framesOf(media.video).length > 20);

    for (const [first, ...rest] of framesOf(media.video).slice(0, -1)) {
      assert.equal((first?.payload[0] ?? 0) & 0x10, 0x10);
      assert.ok(rest.every(({ payload }) => ((payload[0] ?? 0) & 0x10) === 0));
    }
  });

  test('has a key frame within about a second of a request for one (PLI)', async () => {
    const { media } = await room().watching();
    await media.firstKeyFrame;
    await media.until(() => framesOf(media.video).length > 5);
    const sofar = media.video.length;

    await media.requestKeyFrame();

    await media.until(() => media.video.slice(sofar).some(({ payload }) => startsVp8KeyFrame(payload)));
    assert.isAtMost(framesOf(media.video.slice(sofar)).length, 30);
  });

  test('has a lost packet again when the receiver asks for it (NACK)', async () => {
    const { media } = await room().watching();
    await media.firstKeyFrame;
    await media.until(() => framesOf(media.video).length > 5);

    const lost = await media.loseOne();

    await media.until(() => media.video.some(({ header }) => header.sequenceNumber === lost.header.sequenceNumber));
    const again = media.video.find(({ header }) => header.sequenceNumber === lost.header.sequenceNumber);
    assert.equal(again?.header.timestamp, lost.header.timestamp);
    assert.equal(again?.header.ssrc, lost.header.ssrc);
    assert.deepEqual(again?.payload, lost.payload);
  });

  test('has any recent packet again, as often as it is asked for', async () => {
    const { media } = await room().watching();
    await media.until(() => media.video.length > 30);
    const number = media.video[20]?.header.sequenceNumber ?? 0;
    const copies = (): RtpPacket[] => media.video.filter(({ header }) => header.sequenceNumber === number);

    for (const count of [2, 3]) {
      await media.requestAgain(number);
      await media.until(() => copies().length === count);
    }

    assert.equal(new Set(copies().map(({ payload }) => payload.toString('base64'))).size, 1);
  });

  test('comes to a late viewer with a key frame within about a second, and the first viewer’s goes on', async () => {
    const first = await room().watching();
    await first.media.until(() => framesOf(first.media.video).length > 20);

    const second = await room().watching();
    await second.media.firstKeyFrame;
    const waited = framesOf(second.media.video).length;
    const sofar = first.media.video.length;
    await first.media.until(() => first.media.video.length > sofar + 20);

    assert.isAtMost(waited, 30);
    assert.deepEqual(frameSizes(first.media), ['1280x720']);
  });

  test('comes with sender reports', async () => {
    const { media } = await room().watching();

    await media.until(() => media.senderReports > 0);

    assert.isAbove(media.senderReports, 0);
  });
});

describeRoom('the metrics', { busy: true }, (room) => {
  test('have neko’s names, per session and per video', async () => {
    const { client, media } = await room().watching();
    await media.until(() => media.video.length > 30);
    // Written every few seconds, so until the last of them is there.
    let text = '';
    while (!text.includes('neko_webrtc_receiver_report_delay{')) {
      text = await (await room().fetch('/metrics')).text();
      const sofar = media.video.length;
      await media.until(() => media.video.length > sofar + 5);
    }

    const names = [...text.matchAll(/^# TYPE (neko_\w+) (\w+)$/gm)].map(([, name, type]) => `${name} ${type}`);
    assert.includeMembers(names, [
      'neko_capture_pipelines_active gauge',
      'neko_capture_pipelines_total counter',
      'neko_capture_streamsink_bytes counter',
      'neko_capture_streamsink_listeners gauge',
      'neko_webrtc_bytes_received gauge',
      'neko_webrtc_bytes_sent gauge',
      'neko_webrtc_connection_count counter',
      'neko_webrtc_connection_state gauge',
      'neko_webrtc_connection_state_count counter',
      'neko_webrtc_ice_candidates_count counter',
      'neko_webrtc_ice_candidates_used gauge',
      'neko_webrtc_receiver_estimated_maximum_bitrate gauge',
      'neko_webrtc_receiver_report_delay gauge',
      'neko_webrtc_receiver_report_jitter gauge',
      'neko_webrtc_receiver_report_total_lost gauge',
      'neko_webrtc_transport_layer_nacks counter',
      'neko_webrtc_video_listeners gauge',
    ]);
    assert.match(text, new RegExp(`^neko_webrtc_connection_count\\{session_id="${client.id}"\\} 1$`, 'm'));
    assert.match(text, /^neko_capture_streamsink_listeners\{codec_name="vp8",codec_type="video",video_id="main"\} 1$/m);
    assert.match(
      text,
      /^neko_capture_streamsink_listeners\{codec_name="opus",codec_type="audio",video_id="audio"\} 1$/m,
    );
  });
});

/** The packets of each frame, in order. */
function framesOf(packets: readonly RtpPacket[]): RtpPacket[][] {
  const frames: RtpPacket[][] = [];
  for (const packet of packets) {
    const last = frames.at(-1);
    if (last?.[0]?.header.timestamp === packet.header.timestamp) last.push(packet);
    else frames.push([packet]);
  }
  return frames;
}
