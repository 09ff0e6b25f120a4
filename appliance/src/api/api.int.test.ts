import assert from 'node:assert/strict'
import { after, before, suite, test } from 'node:test'
import { otherWallet } from '../sign-in/test-stand.ts'
import { statusSchema } from './schemas/status.ts'
import { vmsPageSchema } from './schemas/vms.ts'
import { apiStand, type ApiStand } from './test-stand.ts'

suite('the API over its socket', () => {
  let stand: ApiStand
  let vmId = ''
  before(async () => {
    stand = await apiStand()
    vmId = await stand.putVm()
    await stand.refresh()
  })
  after(() => stand.close())

  test('L7 P8 a stranger with a wallet sees no VM of others', async () => {
    const stranger = await stand.signedIn(otherWallet)
    assert.deepEqual((await stranger.call('GET', '/v1/vms')).body['items'], [])
    const one = await stranger.call('GET', `/v1/vms/${vmId}`)
    assert.equal(one.body['code'], 'vm-unknown')
  })

  test('status is public', async () => {
    const answer = await stand.client().call('GET', '/v1/status')
    assert.equal(answer.status, 200)
    assert.equal(statusSchema.parse(answer.body).chain.rpcUrl, 'http://localhost:8080/v1/rpc')
  })

  test('S10 the holder signs in and sees the connection details', async () => {
    const client = await stand.signedIn()
    const answer = await client.call('GET', '/v1/vms')
    const [vm] = vmsPageSchema.parse(answer.body).items
    assert.equal(vm?.ssh?.command, 'ssh -p 20001 owner@localhost')
    assert.equal((await client.call('GET', `/v1/vms/${vmId}`)).status, 200)
  })
})
