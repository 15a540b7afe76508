// NEKOGATE_URL=… NEKOGATE_ACCESS_TOKEN=… node examples/computer-agent/main.ts SESSION "what to type"
import { runAgent } from './agent.ts';
import { scriptedModel } from './model.ts';

const [sessionId, task] = process.argv.slice(2);
const { NEKOGATE_URL: url = 'http://127.0.0.1:8080', NEKOGATE_ACCESS_TOKEN: token } = process.env;
if (sessionId === undefined || task === undefined || token === undefined) {
  process.stderr.write('usage: NEKOGATE_ACCESS_TOKEN=… node main.ts SESSION TEXT\n');
  process.exitCode = 2;
} else {
  const said = await runAgent({ url, token, sessionId, task, model: scriptedModel() });
  process.stdout.write(`${said}\n`);
}
