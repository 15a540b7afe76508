// The VNC server that all ways of the bench lead to, a process of its own. After its handshake it sends a key back as it came, and as
// many bytes as a pixel format asks for in place of its content.
import { createServer, type Socket } from 'node:net';
import { listenOnAnyPort } from '../../test/harness/ports.ts';
import { GREETING, LOGIN_BYTES, SERVER_INIT } from './talk.ts';

const CHUNK = Buffer.alloc(64 * 1024, 'picture ');

const server = createServer({ noDelay: true }, (socket) => {
  let login = LOGIN_BYTES;
  socket.on('error', () => undefined);
  socket.write(GREETING);
  socket.on('data', (bytes: Buffer) => {
    const said = bytes.subarray(login);
    const wasIn = login === 0;
    login -= Math.min(login, bytes.length);
    if (!wasIn && login === 0) socket.write(SERVER_INIT);
    if (said.length === 0) return;
    if (said[0] === 0) sendBulk(socket, said.readUInt32BE(4));
    else socket.write(said);
  });
});

function sendBulk(socket: Socket, left: number): void {
  for (let rest = left; rest > 0;) {
    const chunk = CHUNK.subarray(0, rest);
    rest -= chunk.length;
    if (socket.write(chunk) || rest === 0) continue;
    socket.once('drain', () => sendBulk(socket, rest));
    return;
  }
}

process.stdout.write(`listening on ${await listenOnAnyPort(server)}\n`);
