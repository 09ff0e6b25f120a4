import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Breath } from './breath.ts'

test('a loop that holds its breath too long lets others have their turn', async () => {
  const breath = new Breath()
  let turns = 0
  const others = setInterval(() => (turns += 1), 0)
  try {
    // as long as it takes: only the loop itself could stand in the way of the timer
    while (turns < 3) if (breath.due) await breath.take()
  } finally {
    clearInterval(others)
  }
  assert.ok(turns >= 3)
})
