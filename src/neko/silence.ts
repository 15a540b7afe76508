/**
 * `capture.audio.pipeline` of a desktop without sound. neko makes a client no offer at all when its sound pipeline fails (tried at
 * baf21c1), so that its sound is silence there rather than nothing; the embedded streamer makes its own silence.
 */
export const SILENT_PIPELINE =
  'audiotestsrc is-live=true wave=silence ! audio/x-raw,rate=48000,channels=2 ! audioconvert ! opusenc dtx=true ! appsink name=appsink';
