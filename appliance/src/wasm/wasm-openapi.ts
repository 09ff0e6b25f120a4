import { z } from 'zod'
import { executeSchema } from './execute-schema.ts'
import { commitmentTypes } from './protocol/commitment.ts'
import { wasmErrors } from './wasm-error.ts'

const ref = (name: string) => ({ $ref: `#/components/schemas/${name}` })
const json = (schema: unknown, description: string) => ({ description, content: { 'application/json': { schema } } })
const text = { type: 'string' } as const
const object = (required: readonly string[], properties: Record<string, unknown>) => ({ type: 'object', required, properties })

/** The contract of the service's public paths as OpenAPI 3.1; the schema of a request is the one that requests are held to. */
export function wasmOpenApi(): Record<string, unknown> {
  const refusals = Object.fromEntries(
    Map.groupBy(Object.entries(wasmErrors), ([, { status }]) => status)
      .entries()
      .map(([status, codes]) => [
        String(status),
        json(ref('Error'), codes.map(([code, { message }]) => `${code}: ${message}`).join('\n')),
      ]),
  )
  const secured = [{ apiKey: [] }]
  return {
    openapi: '3.1.1',
    info: {
      title: 'Freehold WASM hosting',
      version: '1',
      description:
        'The operator of a host can see what runs: there is no trusted execution environment. Receipts prove what ran.',
    },
    components: {
      securitySchemes: { apiKey: { type: 'apiKey', in: 'header', name: 'X-API-Key' } },
      schemas: {
        Execute: z.toJSONSchema(executeSchema, { target: 'draft-2020-12' }),
        Answer: object(['request_id', 'encrypted_result', 'result_commitment', 'execution_summary'], {
          request_id: { type: 'string', format: 'uuid' },
          encrypted_result: { type: 'string', contentEncoding: 'base64' },
          result_commitment: text,
          execution_summary: { type: 'object' },
          receipt: text,
        }),
        Key: object(['kid', 'kty', 'crv', 'x', 'y', 'suite', 'not_before', 'expires_at'], {
          kid: text,
          kty: { const: 'EC' },
          crv: { const: 'P-256' },
          expires_at: { type: 'string', format: 'date-time' },
          attestation: object(['format', 'evidence'], { format: text, evidence: text }),
        }),
        KeyDocument: object(['keys', 'jws', 'host_key'], {
          keys: { type: 'array', items: ref('Key') },
          jws: text,
          host_key: { type: 'object' },
        }),
        Verified: object(['verified', 'committed_at', 'expires_at'], {
          verified: { type: 'boolean' },
          committed_at: { type: 'string', format: 'date-time' },
          expires_at: { type: 'string', format: 'date-time' },
          receipt: text,
          inclusion_proof: object(['index', 'size', 'hashes', 'root'], { index: { type: 'integer' }, size: { type: 'integer' } }),
          log_head: text,
        }),
        Head: object(['size', 'root', 'timestamp', 'jws'], { size: { type: 'integer' }, root: text, jws: text }),
        Consistency: object(['from', 'to', 'hashes'], { hashes: { type: 'array', items: text } }),
        Health: object(['status', 'capacity', 'memory_budget', 'engine', 'key_expires_in_seconds', 'uptime_seconds'], {
          status: { enum: ['ok', 'degraded', 'overloaded'] },
          capacity: object(['max', 'in_flight', 'queued'], {}),
        }),
        NewApiKey: object(['id', 'text', 'scopes', 'label'], { text, scopes: { type: 'array', items: text } }),
        Error: object(['error_code', 'message', 'timestamp', 'request_id'], {
          error_code: { enum: Object.keys(wasmErrors) },
          message: text,
          timestamp: { type: 'string', format: 'date-time' },
          request_id: text,
        }),
      },
    },
    paths: {
      '/v1/execute': {
        post: {
          security: secured,
          description:
            'Runs a sealed program. A request that ended with 408 has run: seal it anew, the same one is refused with 409. With Idempotency-Key the same request gets the same answer for ten minutes.',
          requestBody: { required: true, content: { 'application/json': { schema: ref('Execute') } } },
          responses: { '200': json(ref('Answer'), 'The sealed result'), ...refusals },
        },
      },
      '/v1/keys': {
        get: { responses: { '200': json(ref('KeyDocument'), 'The keys to seal for, signed') } },
        post: { security: secured, responses: { '201': json(ref('Key'), 'A key for one request, for five minutes') } },
      },
      '/v1/verify/{request_id}': {
        get: {
          security: secured,
          parameters: [
            { name: 'request_id', in: 'path', required: true, schema: text },
            { name: 'commitment_type', in: 'query', required: true, schema: { enum: commitmentTypes } },
            { name: 'hash_value', in: 'query', required: true, schema: { type: 'string', pattern: '^[0-9a-f]{64}$' } },
          ],
          responses: {
            '200': json(
              ref('Verified'),
              'Whether it is what was committed to; its owner also gets the receipt, a proof of its place in the log, and as `log_head` the signed head that the proof leads to',
            ),
            '404': refusals['404'],
          },
        },
      },
      '/v1/log/head': { get: { responses: { '200': json(ref('Head'), 'Size and root of the log, signed') } } },
      '/v1/log/consistency': {
        get: {
          parameters: ['from', 'to'].map((name) => ({ name, in: 'query', required: true, schema: { type: 'integer' } })),
          responses: { '200': json(ref('Consistency'), 'That one log is the beginning of the other') },
        },
      },
      '/health': { get: { responses: { '200': json(ref('Health'), 'How it goes') } } },
      '/health/live': { get: { responses: { '200': json(object(['status'], { status: text }), 'It answers') } } },
      '/health/ready': {
        get: {
          responses: {
            '200': json(object(['status'], { status: text }), 'It would take a call now'),
            '503': json(object(['status'], { status: text }), 'It would not'),
          },
        },
      },
      '/v1/api-keys': {
        get: { security: secured, responses: { '200': json(object(['keys'], { keys: { type: 'array' } }), 'For the operator') } },
        post: { security: secured, responses: { '201': json(ref('NewApiKey'), 'The only time its text is shown') } },
      },
      '/v1/api-keys/{id}': { delete: { security: secured, responses: { '204': { description: 'It has ended' } } } },
      '/v1/api-keys/{id}/rotation': {
        post: { security: secured, responses: { '201': json(ref('NewApiKey'), 'Its successor; the old one goes on for a day') } },
      },
      '/metrics': { get: { security: secured, responses: { '200': { description: 'For Prometheus' } } } },
    },
  }
}
