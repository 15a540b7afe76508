// One HTTP exchange with a session's neko, or with its desktop's tools, on a WebSocket of its own: the head as a text frame, the body as binary frames, its
// end as an empty binary frame; then the answer, the same way, and a close with 1000. A failure closes with its code.
// Pictures are asked for by a head of their own without a body, one after another, and the tunnel stays for the next.
import { z } from 'zod';
import { GatewayError } from '../errors.ts';

/** A request's path with its query; a longer one is refused with BAD_REQUEST. */
const PATH_MAX_LENGTH = 2048;
const HEADERS_MAX = 32;

const Headers = z
  .record(z.string().max(64), z.string().max(8192))
  .refine((headers) => Object.keys(headers).length <= HEADERS_MAX, `at most ${HEADERS_MAX} headers`);

export const RequestHead = z.object({
  method: z.enum(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE']),
  /** Below neko's own `/api`, already normalised: no empty, `.` or `..` segments. */
  path: z
    .string()
    .max(PATH_MAX_LENGTH)
    .regex(/^\/api\/(?!\.{1,2}(?:\/|$))[\w.~%@:-]+(?:\/(?!\.{1,2}(?:\/|$))[\w.~%@:-]+)*(?:\?[\x21-\x7e]*)?$/),
  headers: Headers,
});
export type RequestHead = z.infer<typeof RequestHead>;

/** Asks for a JPEG of the screen; every role may look, and neko itself gives one to administrators alone. */
export const PictureHead = z.object({ quality: z.int().min(1).max(100) });
export type PictureHead = z.infer<typeof PictureHead>;

export const ResponseHead = z.object({ status: z.int().min(200).max(599), headers: Headers });
export type ResponseHead = z.infer<typeof ResponseHead>;

/** @throws GatewayError BAD_FRAME */
export function decodeHead<Head>(schema: z.ZodType<Head>, text: string): Head {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (cause) {
    throw new GatewayError('BAD_FRAME', 'the head of an HTTP exchange is not JSON', { cause });
  }
  const head = schema.safeParse(json);
  if (!head.success)
    throw new GatewayError('BAD_FRAME', `the head of an HTTP exchange: ${z.prettifyError(head.error)}`);
  return head.data;
}
