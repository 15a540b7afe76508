import { assert, test } from 'vitest';
import { describeRoom } from './room.ts';
import { ToneMicrophone } from './tone-microphone.ts';

const OPUS_CLOCK_HZ = 48_000;

describeRoom('the desktop’s sound', { sound: true, flags: { 'capture.microphone.enabled': 'true' } }, (room) => {
  test('comes as one stream of Opus, payload type 111, without gaps, with a 48 kHz clock', async () => {
    await using _tone = room().sound.playTone();
    const { media } = await room().watching({ video: false });

    await media.until(() => media.audio.length > 60);

    const headers = media.audio.map(({ header }) => header);
    assert.equal(new Set(headers.map(({ ssrc }) => ssrc)).size, 1);
    assert.deepEqual([...new Set(headers.map(({ payloadType }) => payloadType))], [111]);
    const steps = headers.slice(1).map(({ timestamp }, index) => timestamp - (headers[index]?.timestamp ?? 0));
    assert.ok(steps.every((step) => step > 0 && step <= OPUS_CLOCK_HZ / 5));
    const numbers = headers.map(({ sequenceNumber }) => sequenceNumber);
    assert.ok(numbers.every((number, index) => index === 0 || number === (((numbers[index - 1] ?? 0) + 1) & 0xffff)));
  });

  test('is what the desktop plays: a tone is heard as loud as it is', async () => {
    await using _tone = room().sound.playTone();
    const { media } = await room().watching({ video: false });

    await media.until(() => media.audio.length > 100);

    assert.isAbove(await room().sound.peakOf(media.audio), -12);
  });

  test('of a viewer’s microphone is heard on the desktop', async () => {
    await using microphone = await ToneMicrophone.open();
    const client = await room().connectedUser();

    await client.join({ video: false, microphone: microphone.track });

    assert.isAbove(await room().sound.microphonePeak(), -30);
  });
});
