import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, suite, test } from 'node:test'
import { promisify } from 'node:util'
import { WebSocket } from 'ws'
import type { LoginRequestView } from './schemas/sign-in.ts'
import { apiStand, approvalOf, testOrigin, type ApiStand, type TestClient } from './test-stand.ts'
import { parseHostKey } from '../sign-in/host-key.ts'
import { holder } from '../sign-in/test-stand.ts'

// What was signed for one act, brought to the door of every other, by the very asker to whom it was given: each pair that the
// daemon's API has. The shell's door is a real sshd: pam-web3/tests/attacks.int.test.ts and pam-web3/tests/relays-suite.ts.
const nonce = 'd1'.repeat(16)
const acts = ['session', 'console', 'reinstall', 'rollback', 'certificate'] as const
type Act = (typeof acts)[number]
/** How a door opens; none says anything else when it was opened. */
const opens = { session: 201, console: 101, reinstall: 202, rollback: 202, certificate: 201 } as const

suite('an approval is for one act', () => {
  let stand: ApiStand
  let client: TestClient
  let folder: string
  let key: string
  let fingerprint: string
  let vmId: string
  before(async () => {
    stand = await apiStand()
    vmId = await stand.putVm()
    await stand.refresh()
    client = await stand.signedIn()
    folder = await mkdtemp(join(tmpdir(), 'freehold-acts-'))
    await promisify(execFile)('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-C', '', '-f', join(folder, 'key')], {
      timeout: 60_000,
    })
    const parsed = parseHostKey((await readFile(join(folder, 'key.pub'), 'utf8')).trim())
    assert.ok(parsed)
    ;({ publicKey: key, fingerprint } = parsed)
  })
  after(async () => {
    await stand?.close()
    await rm(folder, { recursive: true, force: true })
  })

  async function approved(act: Act): Promise<string> {
    const wanted = act === 'certificate' ? `certificate:${fingerprint}` : act
    const body = { act: wanted, nonce, ...(act !== 'session' && { vmId }) }
    const view = (await client.call('POST', '/v1/login-requests', { body })).body as unknown as LoginRequestView
    const approval = await client.call('POST', `/v1/login-requests/${view.code}/approval`, {
      body: await approvalOf(view, holder),
    })
    assert.equal(approval.body['state'], 'approved', approval.text)
    return view.requestId
  }
  async function post(path: string, body: object): Promise<{ status: number; code: unknown }> {
    const answer = await client.call('POST', path, { body, headers: { 'freehold-nonce': nonce } })
    return { status: answer.status, code: answer.body['code'] }
  }
  async function console(requestId: string): Promise<{ status: number; code: unknown }> {
    const socket = new WebSocket(`ws+unix:${stand.socketPath}:/v1/vms/${vmId}/console?requestId=${requestId}`, {
      headers: { host: new URL(testOrigin).host, 'x-forwarded-for': client.address, 'freehold-nonce': nonce },
    })
    const [said] = (await once(socket, 'message')) as [Buffer]
    socket.terminate()
    const message = JSON.parse(said.toString()) as { type: string; problem?: { status: number; code: string } }
    return message.type === 'open'
      ? { status: opens.console, code: undefined }
      : { status: message.problem?.status ?? 0, code: message.problem?.code }
  }
  const doors: Record<Act, (requestId: string) => Promise<{ status: number; code: unknown }>> = {
    session: (requestId) => post('/v1/sessions', { requestId, nonce, bearer: true }),
    console,
    reinstall: (requestId) => post(`/v1/vms/${vmId}/actions`, { action: 'reinstall', requestId }),
    rollback: (requestId) => post(`/v1/vms/${vmId}/actions`, { action: 'rollback', requestId }),
    certificate: (requestId) => post('/v1/ssh-certificates', { requestId, nonce, publicKey: key }),
  }

  for (const act of acts) {
    test(`denies the approval of ${act} at every other door; its own opens to it`, async () => {
      const requestId = await approved(act)
      for (const other of acts) {
        if (other === act) continue
        assert.deepEqual(await doors[other](requestId), { status: 404, code: 'not-found' }, other)
      }
      assert.deepEqual(await doors[act](requestId), { status: opens[act], code: undefined })
    })
  }
})
