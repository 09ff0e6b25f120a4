use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;

use crate::outcome::Outcome;
use crate::running::Running;

/// A guest and where its outcome goes.
pub struct Task {
    pub running: Running,
    pub done: Box<dyn FnOnce(Outcome) + Send>,
}

#[derive(Default)]
struct Queue {
    /// Not begun yet.
    fresh: VecDeque<Task>,
    /// Have had a slice.
    begun: VecDeque<Task>,
    /// Turns given to fresh ones in a row while others waited.
    favoured: u32,
    closed: bool,
}

/// Few threads share out slices among many guests. New guests go first, so that a short call does not wait behind a hundred
/// endless ones; at most `FAVOURED` in a row, so that long ones go on as well.
pub struct Scheduler {
    shared: Arc<(Mutex<Queue>, Condvar)>,
}

const FAVOURED: u32 = 3;

impl Scheduler {
    pub fn new(threads: u32) -> Self {
        let shared = Arc::new((Mutex::new(Queue::default()), Condvar::new()));
        for n in 0..threads {
            let shared = shared.clone();
            // a thread that cannot be made is missed only if it is the last
            let _ = thread::Builder::new().name(format!("wasm-{n}")).spawn(move || work(&shared));
        }
        Self { shared }
    }

    pub fn add(&self, task: Task) {
        let (queue, wake) = &*self.shared;
        lock(queue).fresh.push_back(task);
        wake.notify_one();
    }
}

impl Drop for Scheduler {
    fn drop(&mut self) {
        let (queue, wake) = &*self.shared;
        lock(queue).closed = true;
        wake.notify_all();
    }
}

fn work(shared: &(Mutex<Queue>, Condvar)) {
    let (queue, wake) = shared;
    while let Some(mut task) = next(queue, wake) {
        match task.running.turn() {
            Some(outcome) => {
                let Task { running, done } = task;
                // the slot is free again before anybody hears of the end
                drop(running);
                done(outcome);
            }
            None => {
                lock(queue).begun.push_back(task);
                wake.notify_one();
            }
        }
    }
}

fn next(queue: &Mutex<Queue>, wake: &Condvar) -> Option<Task> {
    let mut queue = lock(queue);
    loop {
        let favour = queue.favoured < FAVOURED || queue.begun.is_empty();
        let task = if favour && !queue.fresh.is_empty() {
            queue.favoured += 1;
            queue.fresh.pop_front()
        } else {
            queue.favoured = 0;
            queue.begun.pop_front().or_else(|| queue.fresh.pop_front())
        };
        if task.is_some() {
            return task;
        }
        if queue.closed {
            return None;
        }
        queue = wake.wait(queue).unwrap_or_else(PoisonError::into_inner);
    }
}

fn lock(queue: &Mutex<Queue>) -> std::sync::MutexGuard<'_, Queue> {
    queue.lock().unwrap_or_else(PoisonError::into_inner)
}
