import type { RawData, WebSocket } from 'ws';

/**
 * Pauses a socket until its next `resume`, and keeps the frames that it has read already: `ws` goes on to tell those of one chunk
 * though it is paused. They are told first once it goes on, so that whoever takes the socket over misses none.
 */
export function holdFrames(socket: WebSocket): void {
  const held: [RawData, boolean][] = [];
  const hold = (data: RawData, isBinary: boolean): void => void held.push([data, isBinary]);
  const resume = socket.resume.bind(socket);
  socket.on('message', hold);
  socket.pause();
  socket.resume = () => {
    socket.resume = resume;
    socket.off('message', hold);
    for (const frame of held) socket.emit('message', ...frame);
    resume();
  };
}
