import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { resolve } from 'node:path'
import { after, before, suite, test } from 'node:test'
import { setupSteps } from '@freehold/appliance/setup/setup'
import { KillStand, type Host, type Life, type Way, type World } from './kill-stand.ts'

// By default one host for each way dies once at every step and at every transaction, one after the other. With FREEHOLD_ALL=1
// a host of its own dies at each place there is, also between any two touches of the world: minutes, and the same rules.
const all = process.env['FREEHOLD_ALL'] === '1'

/** Steps that never act in this world, as their check holds in it: which test cuts them off and repeats them. */
const elsewhere: Readonly<Record<string, string>> = {
  uplink: 'testing/stands/bridge/network-trial.int.test.ts',
  enrolment: 'testing/pve/setup-step.int.test.ts',
  tls: 'testing/tls/certificates.int.test.ts',
  wasm: 'testing/tls/wasm-site.int.test.ts',
  ipv6: 'appliance/src/setup/steps/ipv6.test.ts',
}

/** A daemon that died once the configuration was written opens by itself, and has nothing to hand over: this step dies alone. */
const ownHost = 'hand-over'

/**
 * One death per step, as late in it as there is a place, and every transaction: in the order in which they are passed. By a file
 * only where it differs from the wizard: somebody has to apply it again, and a key of the host signs.
 */
function inTurn(way: Way, everywhere: readonly string[]): string[] {
  const passed =
    way === 'wizard'
      ? everywhere.filter((place) => !place.startsWith(`${ownHost}/`))
      : everywhere.filter((place) => /^(preflight|contracts|transaction|start)\//.test(place))
  const keyOf = (place: string): string => (place.startsWith('transaction/') ? place : (place.split('/')[0] ?? ''))
  const last = new Map(passed.map((place) => [keyOf(place), place]))
  return passed.filter((place) => last.get(keyOf(place)) === place)
}

/** What a browser sees that is opened after this death: the page of the run, the step that it stopped at, all that was answered. */
function assertSeen(host: Host, death: string, life: Life): void {
  const step = death.split('/')[0] ?? ''
  assert.equal(life.seen?.page, 'run', death)
  assert.equal(
    life.seen.step,
    step === 'transaction' ? 'contracts' : step,
    `${death}: another step than the first unfinished one`,
  )
  for (const [name, value] of Object.entries(host.sections())) {
    assertKept(life.seen.values[name], value, `${death}: the answers of ${name}`)
  }
}

/** All that was given is there; what the schema adds by itself is no loss. */
function assertKept(kept: unknown, given: unknown, what: string): void {
  if (typeof given !== 'object' || given === null) return assert.equal(kept, given, what)
  assert.ok(typeof kept === 'object' && kept !== null, what)
  for (const [key, value] of Object.entries(given)) assertKept((kept as Record<string, unknown>)[key], value, `${what}, ${key}`)
}

/** From the step on that writes the configuration the wizard is over, and a browser finds the storefront. */
const wizardIsOver = setupSteps.slice(setupSteps.findIndex(({ name }) => name === 'storefront-check')).map(({ name }) => name)

/** What was made once is the same ever after. The key that pays the deployment is erased by the last step; until then it counts too. */
function assertMadeOnce(now: Record<string, string>, before: Record<string, string>, what: string, over: boolean): void {
  const { 'secrets/deployer.key': payer, ...others } = before
  assert.deepEqual(
    { ...now, ...(over ? others : { ...others, ...(payer !== undefined && { 'secrets/deployer.key': payer }) }) },
    now,
    what,
  )
}

/** Dies at each of these places in turn, then runs to the end. What was made before a death is the same at the end. */
async function dieAndEnd(host: Host, deaths: readonly string[], way: Way): Promise<World> {
  let made: Record<string, string> = {}
  let before: string | undefined
  for (const death of deaths) {
    const life = await host.life(death)
    if (way === 'wizard' && before !== undefined && !wizardIsOver.includes(before.split('/')[0] ?? '')) {
      assertSeen(host, before, life)
    }
    before = death
    assert.ok(life.killed, `${death} was not reached: ${life.words}`)
    const now = await host.made()
    assertMadeOnce(now, made, `${death}: a key was made twice`, death.startsWith(ownHost))
    made = now
  }
  const life = await host.life()
  assert.equal(life.killed, false)
  // a setup by a file waits for its file: nothing that anybody should look at
  assert.doesNotMatch(life.words, /could not go on by itself/)
  const now = await host.made()
  assertMadeOnce(now, made, 'a key was made twice', true)
  assert.deepEqual(
    Object.keys(now).filter((name) => name.includes('deployer')),
    [],
    'I7: the key that paid the deployment is gone',
  )
  return await host.world()
}

for (const way of ['apply', 'wizard'] as const satisfies Way[]) {
  await suite(`setup by ${way}, the daemon killed`, async () => {
    let stand: KillStand
    let passed: string[] = []
    let undisturbed: World
    before(async () => {
      stand = await KillStand.start()
      await stand.host(way, async (host) => {
        passed = (await host.life()).passed
        undisturbed = await host.world()
      })
    })
    after(() => stand.close())

    test('every step of the list has a place to die before, during and after it', () => {
      for (const { name } of setupSteps) {
        const places = passed.filter((place) => place.startsWith(`${name}/`))
        assert.ok(places.includes(`${name}/before`), `${name} was never begun`)
        const other = elsewhere[name]
        if (other !== undefined) {
          assert.ok(existsSync(resolve(import.meta.dirname, '../..', other)), `${other} is gone`)
          assert.ok(!places.includes(`${name}/begun`), `${name} acts here: it is to be killed here`)
          continue
        }
        assert.ok(places.length > 2 || places.some((place) => place.includes('/touch')), `nothing kills ${name} while it works`)
        assert.ok(places.at(-1) !== `${name}/before`, `nothing kills ${name} when it has acted`)
      }
      assert.ok(passed.includes('transaction/sent-call') || way === 'wizard')
    })

    test('W6 W12 killed and the browser closed once at every step, every transaction: reopened at the first unfinished step with all values, nothing done twice, one contract', async () => {
      await stand.host(way, async (host) => assert.deepEqual(await dieAndEnd(host, inTurn(way, passed), way), undisturbed))
      assert.equal(undisturbed.contracts, 1)
    })

    if (way === 'wizard') {
      test('W6 W12 killed when the door has changed hands and nobody has noted it: the same end, the code opens nothing', async () => {
        const last = passed.findLast((place) => place.startsWith(`${ownHost}/`)) ?? ''
        assert.equal(last, `${ownHost}/acted`)
        await stand.host(way, async (host) => {
          assert.deepEqual(await dieAndEnd(host, [last], way), undisturbed)
          assert.ok(!existsSync(resolve(host.folder, 'run/setup-code')))
        })
      })
    }

    if (all) {
      test('W6 W12 killed at each place there is, a host for each: the same end, nothing done twice', async (t) => {
        for (const death of passed) {
          await t.test(death, () =>
            stand.host(way, async (host) => assert.deepEqual(await dieAndEnd(host, [death], way), undisturbed)),
          )
        }
      })
    }
  })
}
