//! Wasmtime for Node: compile, inspect, load and run WebAssembly with gas, deadlines and memory limits that hold.
//! Nothing here knows who calls; policy stands in TypeScript.
#![deny(warnings)]
mod config;
mod engine;
mod inspect;
mod outcome;
mod running;
mod scheduler;
