import { pino, type DestinationStream, type Logger } from 'pino';

/** Fields that may hold a secret wherever they turn up in a log line. */
const SECRET_FIELDS = [
  'password',
  'token',
  'key',
  'ticket',
  'authorization',
  'adminPassword',
  'agentKey',
  'databaseUrl',
];

/** JSON lines, on standard error unless told otherwise; secrets are cut out by field name, whoever logs them. */
export function createLogger(
  level: string,
  destination: DestinationStream = pino.destination({ dest: 2, sync: true }),
): Logger {
  const paths = SECRET_FIELDS.flatMap((field) => [field, `*.${field}`, `*.*.${field}`]);
  const headers = ['authorization', 'cookie', 'x-agent-api-key', 'sec-websocket-protocol'];
  return pino(
    {
      level,
      base: null,
      timestamp: pino.stdTimeFunctions.isoTime,
      redact: { paths: [...paths, ...headers.map((header) => `req.headers["${header}"]`)], censor: '[secret]' },
    },
    destination,
  );
}
