import { z } from 'zod';
import { PictureFormat } from '../../protocol/computer.ts';
import { GatewayError } from '../../errors.ts';
import type { App } from '../app.ts';
import { callingOf, type Calling, type Desks, type Names } from './desk.ts';

const NAMES: Names = { behind: 'desktop_screenshot_failed' };

const Int = z
  .string()
  .regex(/^-?\d{1,9}$/, 'is not a whole number')
  .transform(Number);
const Bool = z.enum(['true', 'false']).transform((text) => text === 'true');
const Length = Int.pipe(z.int().min(1));

const look = {
  format: PictureFormat.default('png'),
  quality: Int.pipe(z.int().min(1).max(100)).default(85),
  scale: z
    .string()
    .regex(/^\d(\.\d{1,9})?$/, 'is not like 0.5')
    .transform(Number)
    .pipe(z.number().min(0.1).max(1))
    .default(1),
  showCursor: Bool.optional(),
  /** As sandbox-agent's documents have it, while its server takes the other. */
  show_cursor: Bool.optional(),
};
const Look = z.strictObject(look);
const LookAt = z.strictObject({ ...look, x: Int, y: Int, width: Length, height: Length });
type Asked = z.infer<typeof Look> & Partial<z.infer<typeof LookAt>>;

export function addPictureRoutes(app: App, desks: Desks): void {
  const config = { allow: 'member' } as const;

  const take = async (calling: Calling, asked: Asked): Promise<Buffer> => {
    const { format, quality, scale, showCursor, show_cursor: alsoShowCursor, x, y, width, height } = asked;
    const isPart = x !== undefined && y !== undefined && width !== undefined && height !== undefined;
    const { picture } = await desks.look(calling, NAMES, [
      {
        type: 'screenshot',
        format,
        quality,
        scale,
        cursor: showCursor ?? alsoShowCursor ?? false,
        ...(isPart && { region: { x, y, width, height } }),
      },
    ]);
    if (picture?.data === undefined) throw new GatewayError('INTERNAL', 'the desktop gave no picture');
    return Buffer.from(picture.data, 'base64');
  };

  app.get('/desktop/screenshot', { config, schema: { hide: true, querystring: Look } }, async (request, reply) => {
    const picture = await take(callingOf(request, reply), request.query);
    return reply.type(`image/${request.query.format}`).header('cache-control', 'no-store').send(picture);
  });
  app.get(
    '/desktop/screenshot/region',
    { config, schema: { hide: true, querystring: LookAt } },
    async (request, reply) => {
      const picture = await take(callingOf(request, reply), request.query);
      return reply.type(`image/${request.query.format}`).header('cache-control', 'no-store').send(picture);
    },
  );
}
