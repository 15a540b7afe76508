import type { IncomingMessage, ServerResponse } from 'node:http';
import type { FastifyBaseLogger, FastifyInstance, FastifyTypeProvider, RawServerDefault } from 'fastify';
import type { z } from 'zod';
import type { Allow, Principal } from './auth.ts';

/** Lets a route's zod schemas give its handler's types. */
export interface ZodTypes extends FastifyTypeProvider {
  validator: this['schema'] extends z.ZodType ? z.output<this['schema']> : unknown;
  serializer: this['schema'] extends z.ZodType ? z.input<this['schema']> : unknown;
}

/** The HTTP server as our routes see it. */
export type App = FastifyInstance<RawServerDefault, IncomingMessage, ServerResponse, FastifyBaseLogger, ZodTypes>;

declare module 'fastify' {
  interface FastifyContextConfig {
    /** Who may call the route; left out, the administrator alone. */
    allow?: Allow;
    /** The token may also stand in the query, for clients that can do nothing else. */
    token?: 'query';
  }
  interface FastifyRequest {
    /** Who calls, as authorized for this route. */
    principal: Principal;
  }
}
