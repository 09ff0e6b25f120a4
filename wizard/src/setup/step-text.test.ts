import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setupSteps } from '@freehold/appliance/setup/setup'
import { sections } from '@freehold/appliance/setup/wizard/sections'
import { knownChecks, knownSteps } from './step-text.ts'

test('every step and every live check of setup has words on its page', () => {
  const steps = setupSteps.map((step) => step.name)
  assert.deepEqual([...knownSteps].toSorted(), steps.toSorted())
  const checks = sections.flatMap((section) => section.checks.map((check) => check.name))
  assert.deepEqual([...knownChecks].toSorted(), checks.toSorted())
})
