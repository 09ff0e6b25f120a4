import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, beforeEach, suite, test } from 'node:test'
import type { Address } from '../chain/subscription.ts'
import { createGuestEndpoint, type GuestEndpoint } from '../sign-in/guest-endpoint.ts'
import { loadOrCreateSecrets, type Secrets } from '../sign-in/secrets.ts'
import { TestGuest } from '../sign-in/test-guest.ts'
import { holder, otherWallet, testInstallation } from '../sign-in/test-stand.ts'
import { reportToken, vmSecret } from '../vms/guest-secrets.ts'
import type { LoginRequestView } from './schemas/sign-in.ts'
import { approvalOf, apiStand, type ApiStand, type TestClient } from './test-stand.ts'

const next = otherWallet.address.toLowerCase() as Address
const path = `${testInstallation}/42`

suite('L5 a VM that was transferred', () => {
  let stand: ApiStand
  let endpoint: GuestEndpoint
  let secrets: Secrets
  let folder = ''
  let port = 0
  let vmId = ''
  const guests: TestGuest[] = []

  before(async () => {
    stand = await apiStand('embedded')
    folder = await mkdtemp(join(tmpdir(), 'fh-care-'))
    secrets = await loadOrCreateSecrets(join(folder, 'secrets'))
    endpoint = createGuestEndpoint({
      ...stand.ports,
      signIn: stand.signIn,
      master: secrets.master,
      login: secrets.login,
      onReport: () => Promise.resolve(),
    })
    port = await endpoint.listen('127.0.0.1:0')
  })
  beforeEach(async () => {
    for (const pass of await stand.store.passWatch.list()) await stand.store.passWatch.remove(pass)
    stand.chain.set({})
    vmId = await stand.putVm()
    await seen()
  })
  after(async () => {
    for (const guest of guests) guest.close()
    await endpoint.close()
    await stand.close()
    await rm(folder, { recursive: true, force: true })
  })

  /** The host has looked at the chain as it is now. */
  async function seen(): Promise<void> {
    await stand.refresh()
    await stand.passWatch.look()
  }

  async function transferred(): Promise<TestClient> {
    stand.chain.set({ holder: next })
    await seen()
    return await stand.signedIn(otherWallet)
  }

  function guest(generation: number): TestGuest {
    const made = new TestGuest(port, secrets.spkiSha256)
    made.bearer = `${path}/${generation}.${vmSecret(secrets.master, `freehold:${path}/${generation}`)}`
    guests.push(made)
    return made
  }

  const formerOf = async (client: TestClient) => (await client.call('GET', `/v1/vms/${vmId}`)).body['formerHolder']

  test('tells the new holder who was root, on the page of the VM and in the list, and cuts the connections', async () => {
    const first = await stand.signedIn(holder)
    assert.equal(await formerOf(first), null)
    const cuts = stand.cuts.length
    const client = await transferred()
    assert.equal(await formerOf(client), holder.address.toLowerCase())
    const [row] = (await client.call('GET', '/v1/vms')).body['items'] as { formerHolder: string }[]
    assert.equal(row?.formerHolder, holder.address.toLowerCase())
    assert.equal(stand.cuts.length, cuts + 1)
    // the web session of the former holder stands, and has no rights any more
    assert.equal((await first.call('GET', `/v1/vms/${vmId}`)).status, 404)
    assert.equal((await first.call('POST', `/v1/vms/${vmId}/keep`, { body: { generation: 1 } })).status, 404)
  })

  test('keep is for the holder and this generation, shows at once, and stands in the audit trail', async () => {
    const client = await transferred()
    const keep = (generation: number) => client.call('POST', `/v1/vms/${vmId}/keep`, { body: { generation } })
    assert.equal((await keep(2)).body['code'], 'not-in-this-state')
    const kept = await keep(1)
    assert.deepEqual([kept.status, kept.body['formerHolder']], [200, null])
    assert.equal(await formerOf(client), null)
    const [row] = (await client.call('GET', '/v1/vms')).body['items'] as { formerHolder: string | null }[]
    assert.equal(row?.formerHolder, null)
    const audit = (await stand.store.audit.list({ target: vmId })).items.find((e) => e.what === 'vm keep')
    assert.deepEqual([audit?.who, audit?.result], [next, 'generation 1'])
  })

  test('keep waits until the transfer is confirmed', async () => {
    stand.chain.latestSubscription = { ...(stand.chain.giving as NonNullable<typeof stand.chain.giving>), holder: next }
    await seen()
    const client = await stand.signedIn(otherWallet)
    assert.equal(await formerOf(client), holder.address.toLowerCase())
    const answer = await client.call('POST', `/v1/vms/${vmId}/keep`, { body: { generation: 1 } })
    assert.equal(answer.body['code'], 'pass-not-confirmed')
  })

  test('a reinstall wants the signature of the new holder, given in the browser that asks', async () => {
    const client = await transferred()
    const act = (who: TestClient, requestId: string) =>
      who.call('POST', `/v1/vms/${vmId}/actions`, { body: { action: 'reinstall', requestId } })
    const view = (await client.call('POST', '/v1/login-requests', { body: { act: 'reinstall', vmId } }))
      .body as unknown as LoginRequestView
    const approve = async (wallet: typeof holder) =>
      await client.call('POST', `/v1/login-requests/${view.code}/approval`, { body: await approvalOf(view, wallet) })
    assert.equal((await approve(holder)).body['code'], 'wrong-wallet')
    assert.equal((await approve(otherWallet)).body['state'], 'approved')
    // the same wallet in another browser did not ask: its session gets nothing out of a link that it was sent
    const elsewhere = await stand.signedIn(otherWallet, '198.51.100.9')
    assert.equal((await act(elsewhere, view.requestId)).status, 404)
    assert.equal((await act(client, view.requestId)).status, 202)
  })

  test('after a reinstall secret, token, open sign-ins and approvals of the former generation open nothing', async () => {
    const client = await transferred()
    const old = guest(1)
    assert.equal((await old.call('GET', '/guest/v1/presence')).status, 200)
    const asked = await old.call('POST', '/guest/v1/login-requests', {
      nonce: 'ab'.repeat(16),
      user: 'owner',
      source: '10.0.2.2',
    })
    assert.equal(asked.status, 201, JSON.stringify(asked.body))
    const view = (await client.call('GET', `/v1/login-requests/${String(asked.body['code'])}`))
      .body as unknown as LoginRequestView
    const rollback = (await client.call('POST', '/v1/login-requests', { body: { act: 'rollback', vmId } }))
      .body as unknown as LoginRequestView
    const path42 = `/v1/login-requests/${rollback.code}/approval`
    await client.call('POST', path42, { body: await approvalOf(rollback, otherWallet) })

    await stand.putVm({ generation: 2, reported: false })
    await seen()
    assert.equal(await formerOf(client), null)
    for (const [method, route, body] of [
      ['GET', '/guest/v1/presence', undefined],
      ['POST', '/guest/v1/login-requests', { nonce: 'cd'.repeat(16), user: 'owner', source: '10.0.2.2' }],
      ['GET', `/guest/v1/login-requests/${String(asked.body['id'])}`, undefined],
      ['POST', '/guest/v1/report', { token: reportToken(secrets.master, `freehold:${path}/1`), hostKeys: [] }],
    ] as const) {
      const { status } = await old.call(method, route, body)
      assert.ok(status === 401 || status === 400, `${route}: ${status}`)
    }
    const approval = await client.call('POST', `/v1/login-requests/${view.code}/approval`, {
      body: await approvalOf(view, otherWallet),
    })
    assert.equal(approval.body['code'], 'request-used')
    const rolled = await client.call('POST', `/v1/vms/${vmId}/actions`, {
      body: { action: 'rollback', requestId: rollback.requestId },
    })
    assert.equal(rolled.body['code'], 'request-used')
    assert.equal((await guest(2).call('GET', '/guest/v1/presence')).status, 200)
  })
})
