import { writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { env } from 'node:process';

const password = env['NEKO_SESSION_API_TOKEN'];
const eaten = [];
const say = (text) => process.stdout.write(`${text}\n`);

const server = createServer((request, response) => {
  const { pathname, searchParams } = new URL(request.url ?? '/', 'http://x');
  if (pathname === '/health') response.end('true');
  else if (pathname === '/api/room/screen/shot.jpg') {
    response.statusCode = request.headers.authorization === `Bearer ${password}` ? 200 : 401;
    response.end('a picture');
  } else if (pathname === '/exit') {
    say('told to exit');
    process.exit(Number(searchParams.get('code')));
  } else if (pathname === '/eat') {
    say('told to eat');
    for (;;) eaten.push(Buffer.alloc(16 * 1024 * 1024, 1));
  } else if (pathname === '/deaf') {
    response.end();
    server.close();
    server.closeAllConnections();
    setTimeout(() => server.listen(8080), Number(searchParams.get('ms')));
  } else if (pathname === '/write') {
    writeFileSync(`${process.cwd()}/kept`, searchParams.get('text') ?? '');
    response.end();
  } else if (pathname === '/stay') {
    // As long as neko's WebSockets stay.
    response.write('here');
    setInterval(() => response.write('.'), 100);
  } else {
    response.statusCode = 404;
    response.end();
  }
});
server.listen(8080);

if (env['DIE_AT_START']) {
  say('told to die at its start');
  process.exit(Number(env['DIE_AT_START']));
}
// Process 1 under an init; it ends at once when told to.
process.on('SIGTERM', () => process.exit(0));
