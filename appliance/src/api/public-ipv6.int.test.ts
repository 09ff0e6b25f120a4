import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { after, before, suite, test } from 'node:test'
import { AppError } from '../errors/app-error.ts'
import type { PublicIpv6 } from '../network/broker/public-ipv6.ts'
import { holder, otherWallet } from '../sign-in/test-stand.ts'
import { apiStand, type ApiStand } from './test-stand.ts'

const address = '2a01:7e00:a00:77:5054:ff:fe00:1'

suite('public IPv6 of a VM', () => {
  let stand: ApiStand
  let vmId = ''
  const named: string[] = []
  const served: Pick<PublicIpv6, 'addressesOf' | 'setName'> = {
    addressesOf: () => [{ address, name: named.at(-1) === undefined ? null : `${named.at(-1)}.vm.example.org`, preferred: true }],
    setName(_, label) {
      if (label === 'taken') throw new AppError({ code: 'broker-name-refused', detail: 'taken is taken' })
      return Promise.resolve(void named.push(label))
    },
  }

  before(async () => {
    stand = await apiStand()
    vmId = await stand.putVm()
    await stand.refresh()
  })
  after(() => stand.close())

  const fresh = () => ({ 'idempotency-key': randomUUID() })
  const name = async (wallet: typeof holder, label: string) =>
    (await stand.signedIn(wallet)).call('POST', `/v1/vms/${vmId}/name`, { body: { label }, headers: fresh() })

  test('denies a name where no broker serves the host, and says what to do', async () => {
    const answer = await name(holder, 'shop')
    assert.equal(answer.body['code'], 'not-supported')
    assert.match(answer.text, /name of your own/)
  })

  test('denies a name to whoever does not hold the pass, and what the broker refuses; nothing is named', async () => {
    stand.apiPorts.publicIpv6 = () => served as PublicIpv6
    assert.notEqual((await name(otherWallet, 'shop')).status, 200)
    assert.equal((await name(holder, 'taken')).body['code'], 'broker-name-refused')
    assert.deepEqual(named, [])
  })

  test('the holder names it, and sees address and name', async () => {
    assert.equal((await name(holder, 'shop')).status, 200)
    const client = await stand.signedIn(holder)
    const shown = await client.call('GET', `/v1/vms/${vmId}/addresses`)
    assert.deepEqual(shown.body['addresses'], [{ address, name: 'shop.vm.example.org', preferred: true }])
  })

  test('the tunnels are for the operator alone', async () => {
    const client = await stand.signedIn(otherWallet)
    assert.equal((await client.call('GET', '/v1/network')).status, 403)
  })
})
