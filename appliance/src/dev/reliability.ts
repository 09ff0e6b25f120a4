import assert from 'node:assert/strict'
import { test, type TestContext, type TestOptions } from 'node:test'

/** What a test of a fault must report: that the fault really struck, with the evidence read from the world. */
export interface Fault {
  /**
   * Call it where the evidence is at hand: a counter of the RPC front, a log of the stand, a process that is gone.
   * An empty value (`0`, `''`, `[]`, `false`, `undefined`, `null`) is no evidence and fails at once.
   */
  struck(evidence: unknown): void
}

/**
 * A test of one row of `appliance/RELIABILITY.md`. It fails when its body ends without having seen its fault strike:
 * a fault that never came shows nothing.
 * @param row id of the row, kebab-case, the first cell of the table; several tests may stand for one row.
 */
export function reliability(
  row: string,
  title: string,
  body: (fault: Fault, t: TestContext) => Promise<void> | void,
  options: TestOptions = {},
): void {
  void test(`${title} [${row}]`, options, async (t) => {
    let strikes = 0
    const struck = (evidence: unknown) => {
      const empty = !evidence || (Array.isArray(evidence) && evidence.length === 0)
      assert.ok(!empty, `no evidence that the fault of row ${row} struck: ${String(evidence)}`)
      strikes += 1
    }
    await body({ struck }, t)
    assert.ok(strikes > 0, `the fault of row ${row} never struck, so this test shows nothing`)
  })
}
