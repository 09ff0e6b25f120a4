import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { deployDevToken, devTokenInterface } from '@freehold/contracts/dev-token'
import { Contract } from 'ethers'
import { createClients } from './any-client.ts'
import { createTokenReader } from './erc20.ts'
import { startRpcFront, type RpcFront } from './rpc-front.ts'
import { zeroAddress, type Address } from './subscription.ts'
import { startTestChain, type TestChain } from './test-chain.ts'

let chain: TestChain
let front: RpcFront
let token: Address
before(async () => {
  chain = await startTestChain('0x00000000000000000000000000000000000000aa')
  front = await startRpcFront(chain.url)
  token = (await deployDevToken(chain.owner)).toLowerCase() as Address
})
after(async () => {
  await front.close()
  await chain.close()
})

test('denies what is no token', async () => {
  const reader = createTokenReader(createClients([chain.url]))
  await assert.rejects(reader.facts('0x00000000000000000000000000000000000000bb'), { code: 'contract-missing' })
  await assert.rejects(reader.facts(chain.contract.toLowerCase() as Address), { code: 'contract-missing' })
  await assert.rejects(createTokenReader(createClients([front.url('sentinel-down')])).facts(token), { code: 'rpc-unreachable' })
})

test('one that is listed and does not say its decimals is shown in its smallest units, under its address', async () => {
  const reader = createTokenReader(createClients([chain.url]))
  const odd = chain.contract.toLowerCase() as Address
  const shown = await reader.shown(odd)
  assert.deepEqual(shown, { token: odd, symbol: `units of ${odd.slice(0, 6)}…${odd.slice(-4)}`, decimals: 0, permit: false })
  assert.deepEqual(await reader.shown(token), await reader.facts(token))
  await assert.rejects(createTokenReader(createClients([front.url('sentinel-down')])).shown(odd), { code: 'rpc-unreachable' })
})

test('reads symbol, decimals and permits once', async () => {
  const reader = createTokenReader(createClients([front.url()]))
  const contract = new Contract(token, devTokenInterface, chain.provider)
  const facts = await reader.facts(token)
  assert.deepEqual(facts, {
    token,
    symbol: String(await contract.getFunction('symbol')()),
    decimals: Number(await contract.getFunction('decimals')()),
    permit: true,
  })
  const asked = front.asked('eth_call')
  assert.deepEqual(await reader.facts(token), facts)
  assert.equal(front.asked('eth_call'), asked)
})

test('the native coin and balances', async () => {
  const reader = createTokenReader(createClients([chain.url]), { symbol: 'xDAI', decimals: 18 })
  assert.deepEqual(await reader.facts(zeroAddress), { token: zeroAddress, symbol: 'xDAI', decimals: 18, permit: false })
  const alice = chain.alice.address.toLowerCase() as Address
  assert.equal(await reader.balance(zeroAddress, alice), BigInt(String(await chain.rpc('eth_getBalance', alice, 'latest'))))
  assert.equal(await reader.balance(token, alice), 0n)
})
