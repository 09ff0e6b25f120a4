import assert from 'node:assert/strict'
import { after, before, suite, test } from 'node:test'
import { registerSetup } from './routes/setup.ts'
import { apiStand, testOrigin, type ApiStand } from './test-stand.ts'
import { createApi } from './app.ts'
import { TaskEvents } from '../steps/task-events.ts'

/** Every route, who may call it, and whether it needs an `Idempotency-Key`. A new line here is a decision, never an omission. */
const expected = `
DELETE /v1/rates/:token                        operator
DELETE /v1/sessions/:sessionId                 signed-in
DELETE /v1/wasm/keys/:keyId                    signed-in
DELETE /v1/wasm/operator/keys/:keyId           operator
GET    /v1/alerts                              operator
GET    /v1/audit                               signed-in
GET    /v1/audit/export                        operator
GET    /v1/backups                             operator
GET    /v1/backups/:name/file                  operator
GET    /v1/host                                operator
GET    /v1/issues                              operator
GET    /v1/login-requests/:code                public
GET    /v1/login-requests/:code/outcome        public
GET    /v1/money                               operator
GET    /v1/money/entries                       operator
GET    /v1/network                             operator
GET    /v1/openapi.json                        public
GET    /v1/overview                            operator
GET    /v1/plans                               public
GET    /v1/purchases/:transactionHash          public
GET    /v1/quotes                              public
GET    /v1/rentals                             operator
GET    /v1/sessions                            signed-in
GET    /v1/setup/code                          host
GET    /v1/status                              public
GET    /v1/subscriptions                       signed-in
GET    /v1/subscriptions/:vmId                 signed-in
GET    /v1/tasks                               signed-in
GET    /v1/tasks/:taskId                       signed-in
GET    /v1/tasks/:taskId/events                signed-in
GET    /v1/tasks/:taskId/log                   signed-in
GET    /v1/vms                                 signed-in
GET    /v1/vms/:vmId                           signed-in
GET    /v1/vms/:vmId/addresses                 signed-in
GET    /v1/vms/:vmId/console                   public
GET    /v1/vms/:vmId/metrics                   signed-in
GET    /v1/wasm                                signed-in
GET    /v1/wasm/operator                       operator
GET    /v1/wasm/receipts                       signed-in
POST   /v1/alerts/:channelId/test              operator   key
POST   /v1/backups                             operator   key
POST   /v1/backups/:name/verify                operator   key
POST   /v1/host/provisioner-key                operator   key
POST   /v1/issues/:code/fixes                  operator   key
POST   /v1/login-requests                      public     key
POST   /v1/login-requests/:code/approval       public     key
POST   /v1/login-requests/:code/refusal        public     key
POST   /v1/login-requests/:code/reply          public     key
POST   /v1/rebuild                             host       key
POST   /v1/rpc                                 public
POST   /v1/sessions                            public     key
POST   /v1/setup                               host       key
POST   /v1/setup/code                          host
POST   /v1/setup/review                        host
POST   /v1/setup/undo                          host       key
POST   /v1/ssh-certificates                    public     key
POST   /v1/vms/:vmId/actions                   signed-in  kept
POST   /v1/vms/:vmId/keep                      signed-in  key
POST   /v1/vms/:vmId/name                      signed-in  key
POST   /v1/wasm/keys                           signed-in  key
POST   /v1/wasm/keys/:keyId/rotation           signed-in  key
POST   /v1/wasm/receipt-checks                 public
PUT    /v1/alerts                              operator
PUT    /v1/rates/:token                        operator
`.trim()

suite('routes', () => {
  let stand: ApiStand
  const lines: string[] = []
  before(async () => {
    stand = await apiStand()
    const never = () => Promise.reject(new Error('not here'))
    const app = await createApi(
      { ...stand.apiPorts, tasks: new TaskEvents() },
      {
        door: 'host',
        extend: [registerSetup({ review: never, begin: never, rebuild: never, undo: never })],
        onRoute: (r) => lines.push(lineOf(r)),
      },
    )
    await app.close()
  })
  after(() => stand.close())

  function lineOf({
    method,
    url,
    access,
    acts,
  }: {
    method: string
    url: string
    access: string
    acts?: string | undefined
  }): string {
    return `${method.padEnd(6)} ${url.padEnd(39)} ${access.padEnd(10)} ${acts ?? ''}`.trimEnd()
  }

  test('I3 each route names who may call it', () => {
    assert.equal(lines.sort().join('\n'), expected)
  })

  test('I3 a route that names nobody keeps the daemon from starting', async () => {
    await assert.rejects(
      createApi(stand.apiPorts, { door: 'public', extend: [(app) => void app.get('/v1/open', () => 'x')] }),
      /name nobody/,
    )
  })

  test('I3 all but the public answer 401 to a stranger, and 404 what only the host may', async () => {
    const stranger = stand.client()
    for (const line of expected.split('\n')) {
      const [method = '', url = '', access = ''] = line.split(/\s+/)
      if (access === 'public') continue
      const path = url.replace(':vmId', '0123456789ab-1').replace(/:\w+/, 'x')
      const { status } = await stranger.call(method, path, method === 'POST' ? { body: {} } : {})
      assert.equal(status, access === 'host' ? 404 : 401, line)
    }
  })

  test('the OpenAPI document names every public route and is 3.1', async () => {
    const { body, status } = await stand.client().call('GET', '/v1/openapi.json')
    assert.equal(status, 200)
    assert.match(String(body['openapi']), /^3\.1\./)
    const paths = Object.keys(body['paths'] as object)
    for (const line of expected.split('\n')) {
      const [, url = '', access = ''] = line.split(/\s+/)
      if (access === 'host' || url === '/v1/openapi.json') continue
      assert.ok(paths.includes(url.replace(/:(\w+)/, '{$1}')), url)
    }
    assert.deepEqual(body['servers'], [{ url: testOrigin }])
  })
})
