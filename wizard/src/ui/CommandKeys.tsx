'use client'
import dynamic from 'next/dynamic'
import { useEffect, useState } from 'react'
import { useTexts } from '../i18n/text-context.tsx'

// nobody loads it before it is asked for
const Commands = dynamic(async () => (await import('./Commands.tsx')).Commands, { ssr: false })

const memory = 'freehold-question-mark'

/** Where letters belong to what has the focus: a field, or the terminal, whose keys are the VM's. */
const takesLetters = (target: EventTarget | null) =>
  target instanceof HTMLElement && target.closest('input, textarea, select, [contenteditable], .xterm') !== null
const isTerminal = (target: EventTarget | null) => target instanceof HTMLElement && target.closest('.xterm') !== null

/**
 * Ctrl+K and `?` open the commands of the page, and a button does (X23). A single sign as a key can be turned off (WCAG 2.1.4).
 */
export function CommandKeys({ className }: { className: string }) {
  const { t } = useTexts()
  const [open, setOpen] = useState(false)
  const [byKey, setByKey] = useState(true)
  useEffect(() => setByKey(localStorage.getItem(memory) !== 'off'), [])
  useEffect(() => {
    const hear = (event: KeyboardEvent) => {
      const command = (event.ctrlKey || event.metaKey) && event.key.toLowerCase() === 'k' && !isTerminal(event.target)
      const help = byKey && event.key === '?' && !takesLetters(event.target)
      // what lies over the page has its own keys
      if ((!command && !help) || document.querySelector('[role=dialog]') !== null) return
      event.preventDefault()
      setOpen(true)
    }
    document.addEventListener('keydown', hear)
    return () => document.removeEventListener('keydown', hear)
  }, [byKey])
  return (
    <>
      <button type="button" className={className} onClick={() => setOpen(true)}>
        {t('commands.title')}
      </button>
      {open && (
        <Commands
          byKey={byKey}
          onByKey={(on) => {
            localStorage.setItem(memory, on ? 'on' : 'off')
            setByKey(on)
          }}
          onClose={() => setOpen(false)}
        />
      )}
    </>
  )
}
