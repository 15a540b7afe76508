import type { SwaggerOptions } from '@fastify/swagger';
import { z } from 'zod';
import { PROTOCOL_VERSION } from '../protocol/control.ts';
import { Problem } from '../protocol/api.ts';
import { PROBLEM_TYPE } from './problem.ts';

const DESCRIPTION = `Desktops streamed over WebRTC, and who may join them.

Calls are authorized by \`Authorization: Bearer\`: the administrator's token, or where it says so a session's access token.
Failures are \`${PROBLEM_TYPE}\` (RFC 9457) with a stable \`code\`; every answer carries \`x-request-id\`.

WebSockets: \`/s/{sessionId}/api/ws\` is a session's signaling, neko's own messages. The access token goes in the subprotocol
\`access.TOKEN\` offered beside \`nekogate.v1\`, as bearer, or as \`?token=\`. A failure after the upgrade is told as one frame
\`{"event":"gateway/error","payload":{"code","message","retryable"}}\` and a close with the code's close code, its name as the reason.
\`/s/{sessionId}/vnc\` is RFB in binary frames, for VNC clients: the token in the same ways, beside the subprotocol \`binary\`; a failure is told by the close alone.
\`/s/{sessionId}/v1/desktop/*\` is sandbox-agent's desktop API, which is described there; its failures are in its own words.
Agents connect at \`/api/v1/agents/connect?agent_id=ID\` with \`X-Agent-API-Key\`.`;

const Json = z.record(z.string(), z.unknown());
const Reference = z.object({ $ref: z.string().startsWith('#/$defs/') });

/** The routes' zod schemas, as they validate, are what the document shows. */
export const OPENAPI_OPTIONS: SwaggerOptions = {
  openapi: {
    openapi: '3.1.0',
    info: { title: 'nekogate', version: `${PROTOCOL_VERSION}`, description: DESCRIPTION },
    components: {
      securitySchemes: {
        admin: { type: 'http', scheme: 'bearer', description: 'DATA_DIR/admin-token' },
        access: { type: 'http', scheme: 'bearer', description: "A session's access token" },
      },
    },
  },
  transform: ({ schema, url, route }) => {
    const { body, querystring, params, response, ...rest } = schema;
    const allow = route.config?.allow ?? 'admin';
    return {
      url,
      schema: {
        ...rest,
        ...(body !== undefined && { body: toJsonSchema(body, 'input') }),
        ...(querystring !== undefined && { querystring: toJsonSchema(querystring, 'input') }),
        ...(params !== undefined && { params: toJsonSchema(params, 'input') }),
        response: {
          ...(response === undefined ? NO_CONTENT : responsesOf(response)),
          '4XX': PROBLEM_RESPONSE,
          '5XX': PROBLEM_RESPONSE,
        },
        security: SECURITY[allow],
      },
    };
  },
};

const SECURITY = {
  public: [],
  admin: [{ admin: [] }],
  member: [{ access: [] }],
  owner: [{ admin: [] }, { access: [] }],
};

/** Of routes that answer nothing but that it was done. */
const NO_CONTENT = { 204: { description: 'Done', type: 'null' } };

const PROBLEM_RESPONSE = {
  description: 'What went wrong',
  content: { [PROBLEM_TYPE]: { schema: toJsonSchema(Problem, 'output') } },
};

function responsesOf(response: unknown): Record<string, unknown> {
  if (typeof response !== 'object' || response === null) return {};
  return Object.fromEntries(
    Object.entries(response).map(([status, schema]) => [status, toJsonSchema(schema, 'output')]),
  );
}

function toJsonSchema(schema: unknown, io: 'input' | 'output'): Record<string, unknown> {
  if (!(schema instanceof z.ZodType)) throw new TypeError("a route's schemas are zod schemas");
  const { $schema: _dialect, $defs = {}, ...json } = z.toJSONSchema(schema, { io, unrepresentable: 'any' });
  return Json.parse(inline(json, $defs));
}

/** Puts what a schema refers to in its place, once: a $ref of the document goes from the document's root, where no route's schemas stand. */
function inline(json: unknown, definitions: Readonly<Record<string, unknown>>): unknown {
  if (Array.isArray(json)) return json.map((item) => inline(item, definitions));
  const reference = Reference.safeParse(json).data;
  if (reference) {
    const name = reference.$ref.slice('#/$defs/'.length);
    const { [name]: definition, ...others } = definitions;
    return definition === undefined ? { type: 'object', description: 'As what it is in' } : inline(definition, others);
  }
  const object = Json.safeParse(json).data;
  return object
    ? Object.fromEntries(Object.entries(object).map(([key, value]) => [key, inline(value, definitions)]))
    : json;
}
