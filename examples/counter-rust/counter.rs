// counter: a number a key, in Rust without bindings and without crates.
//
// The part of the ABI that it uses is written down by hand, in the order of wherry/module.h; the sizes are asserted when
// it is compiled.  A panic would end the broker, so nothing here can panic: no indexing, no unwrap, checked arithmetic.

#![no_std]

use core::ffi::c_void;
use core::mem::size_of;
use core::ptr::null;

// --- wherry/module.h, as far as it is needed --------------------------------------------------------------------------

const ABI: u32 = 2; // 0.2
const OK: i32 = 0;
const ELIMIT: i32 = -5;
const ENOKEY: i32 = -3;
const ENOMEM: i32 = -6;
const ABSENT: u32 = 0;
const KIND_INT: u32 = 1 << 2;
const KEY_KINDS: u32 = 1 << 2 | 1 << 3 | 1 << 4 | 1 << 5 | 1 << 6 | 1 << 10;
const ARG_READ: u32 = 1 << 0;
const ARG_WRITE: u32 = 1 << 1;
const ARG_OPTION: u32 = 1 << 4;
const CMD_WRITES: u32 = 1 << 0;
const CMD_GROWS: u32 = 1 << 1;

#[repr(C)]
pub struct Owner([u8; 0]);
#[repr(C)]
pub struct Out([u8; 0]);

#[repr(C)]
#[derive(Clone, Copy)]
pub struct Span {
    ptr: *const c_void,
    len: usize,
}

#[repr(C)]
union As {
    i: i64,
    bytes: Span,
}

#[repr(C)]
pub struct Value {
    kind: u32,
    reserved0: u32,
    is: As,
    raw: Span,
}

#[repr(C)]
pub struct Call {
    size: u32,
    why: u32,
    argc: u32,
    reserved0: u32,
    args: *const Value,
    now_ms: i64,
    session: u64,
    cookie: [u64; 2],
    reply: *mut Out,
}

#[repr(C)]
pub struct Arg {
    size: u32,
    kinds: u32,
    flags: u32,
    reserved0: u32,
    name: *const u8,
    help: *const u8,
}

type Run = unsafe extern "C" fn(*mut c_void, *mut Call) -> i32;

#[repr(C)]
pub struct Command {
    size: u32,
    flags: u32,
    name: *const u8,
    help: *const u8,
    verb: *const u8,
    args: *const Arg,
    arg_count: u32,
    arg_stride: u32,
    run: Run,
}

#[repr(C)]
pub struct Type {
    size: u32,
    version: u32,
    name: *const u8,
    help: *const u8,
    alarm: *const u8,
    flags: u32,
    reserved0: u32,
}

#[repr(C)]
pub struct Why {
    size: u32,
    reserved0: u32,
    text: [u8; 248],
}

type Load = unsafe extern "C" fn(*const Host, *mut Owner, *mut *mut c_void, *mut Why) -> i32;

#[repr(C)]
pub struct Module {
    size: u32,
    abi: u32,
    abi_min: u32,
    flags: u32,
    name: *const u8,
    version: *const u8,
    needs: *const u8,
    commands: *const Command,
    command_count: u32,
    command_stride: u32,
    types: *const Type,
    type_count: u32,
    type_stride: u32,
    options: *const c_void,
    option_count: u32,
    option_stride: u32,
    metrics: *const c_void,
    metric_count: u32,
    metric_stride: u32,
    listeners: *const c_void,
    listener_count: u32,
    listener_stride: u32,
    load: Load,
    start: *const c_void, // functions that this module does not have
    drain: *const c_void,
    unload: Option<unsafe extern "C" fn(*mut c_void)>,
    option_changed: *const c_void,
    session_ended: *const c_void,
    extension: *const c_void,
}

#[repr(C)]
struct Key {
    size: u32,
    kind: u32,
    key: Span,
    head: Span,
    type_name: *const u8,
    revision: u64,
    deadline_ms: i64,
    alarm_ms: i64,
    records: u64,
    bytes: u64,
}

// Of tables that the broker hands over, the beginning is enough: they grow at their ends.
#[repr(C)]
struct Keys {
    size: u32,
    reserved0: u32,
    open: unsafe extern "C" fn(*mut Call, u32, u32, *mut Key) -> i32,
    put_head: unsafe extern "C" fn(*mut Call, u32, u32, Span) -> i32,
}

#[repr(C)]
struct Write {
    size: u32,
    reserved0: u32,
    nil: unsafe extern "C" fn(*mut Out),
    boolean: unsafe extern "C" fn(*mut Out, i32),
    integer: unsafe extern "C" fn(*mut Out, i64),
}

#[repr(C)]
pub struct Host {
    size: u32,
    abi: u32,
    version: *const u8,
    keys: *const Keys,
    write: *const Write,
    read: *const c_void,
    bus: *const c_void,
    fail: unsafe extern "C" fn(*mut Call, i32, *const u8) -> i32,
    alloc: unsafe extern "C" fn(*mut Owner, usize) -> *mut c_void,
    resize: unsafe extern "C" fn(*mut Owner, *mut c_void, usize) -> *mut c_void,
    release: unsafe extern "C" fn(*mut Owner, *mut c_void),
}

const _: () = assert!(size_of::<Span>() == 16);
const _: () = assert!(size_of::<Value>() == 40);
const _: () = assert!(size_of::<Call>() == 64);
const _: () = assert!(size_of::<Arg>() == 32);
const _: () = assert!(size_of::<Command>() == 56);
const _: () = assert!(size_of::<Type>() == 40);
const _: () = assert!(size_of::<Why>() == 256);
const _: () = assert!(size_of::<Module>() == 176);
const _: () = assert!(size_of::<Key>() == 88);

// --- the commands -----------------------------------------------------------------------------------------------------

struct Counter {
    host: &'static Host,
    owner: *mut Owner,
}

const KEY: u32 = 0; // the first argument of both
const BY: usize = 1; // counter.add's option
const NUMBER: u32 = 0; // the type

/// The number of the call's key, 0 where there is none.
unsafe fn current(host: &Host, call: *mut Call) -> Result<i64, i32> {
    let none = Span { ptr: null(), len: 0 };
    let mut key = Key {
        size: size_of::<Key>() as u32,
        kind: 0,
        key: none,
        head: none,
        type_name: null(),
        revision: 0,
        deadline_ms: 0,
        alarm_ms: 0,
        records: 0,
        bytes: 0,
    };
    match ((*host.keys).open)(call, KEY, NUMBER, &mut key) {
        OK if key.head.len == 8 => Ok(i64::from_be_bytes(*(key.head.ptr as *const [u8; 8]))),
        OK | ENOKEY => Ok(0),
        status => Err(status), // also RESTART: passed on as it is
    }
}

unsafe extern "C" fn add(this: *mut c_void, call: *mut Call) -> i32 {
    let host = (*(this as *const Counter)).host;
    let by = &*(*call).args.add(BY);
    let by = if by.kind == ABSENT { 1 } else { by.is.i };
    let number = match current(host, call) {
        Ok(number) => number,
        Err(status) => return status,
    };
    let sum = match number.checked_add(by) {
        Some(sum) => sum,
        None => return (host.fail)(call, ELIMIT, "the sum does not fit in 64 bits\0".as_ptr()),
    };
    let bytes = sum.to_be_bytes();
    let head = Span { ptr: bytes.as_ptr() as *const c_void, len: 8 };
    let status = ((*host.keys).put_head)(call, KEY, NUMBER, head);
    if status == OK {
        ((*host.write).integer)((*call).reply, sum);
    }
    status
}

unsafe extern "C" fn get(this: *mut c_void, call: *mut Call) -> i32 {
    let host = (*(this as *const Counter)).host;
    match current(host, call) {
        Ok(number) => {
            ((*host.write).integer)((*call).reply, number);
            OK
        }
        Err(status) => status,
    }
}

// --- the module -------------------------------------------------------------------------------------------------------

unsafe extern "C" fn load(host: *const Host, owner: *mut Owner, this: *mut *mut c_void, _why: *mut Why) -> i32 {
    let counter = ((*host).alloc)(owner, size_of::<Counter>()) as *mut Counter;
    if counter.is_null() {
        return ENOMEM;
    }
    counter.write(Counter { host: &*host, owner });
    *this = counter as *mut c_void;
    OK
}

unsafe extern "C" fn unload(this: *mut c_void) {
    let counter = &*(this as *const Counter);
    (counter.host.release)(counter.owner, this);
}

/// Tables of pointers to what never changes: any thread may read them.
#[repr(transparent)]
struct Table<T>(T);
unsafe impl<T> Sync for Table<T> {}

const fn arg(name: &'static str, kinds: u32, flags: u32, help: &'static str) -> Arg {
    Arg { size: size_of::<Arg>() as u32, kinds, flags, reserved0: 0, name: name.as_ptr(), help: help.as_ptr() }
}

// Texts end with a zero, as C wants them.
static ADD_ARGS: Table<[Arg; 2]> = Table([
    arg("key\0", KEY_KINDS, ARG_WRITE, "the counter\0"),
    arg("by\0", KIND_INT, ARG_OPTION, "1 without it; may be negative\0"),
]);
static GET_ARGS: Table<[Arg; 1]> = Table([arg("key\0", KEY_KINDS, ARG_READ, "the counter\0")]);

static COMMANDS: Table<[Command; 2]> = Table([
    Command {
        size: size_of::<Command>() as u32,
        flags: CMD_WRITES | CMD_GROWS,
        name: "counter.add\0".as_ptr(),
        help: "Adds to a counter; answers the sum.\0".as_ptr(),
        verb: "write\0".as_ptr(),
        args: &ADD_ARGS as *const Table<[Arg; 2]> as *const Arg,
        arg_count: 2,
        arg_stride: size_of::<Arg>() as u32,
        run: add,
    },
    Command {
        size: size_of::<Command>() as u32,
        flags: 0,
        name: "counter.get\0".as_ptr(),
        help: "Answers a counter; 0 where there is none.\0".as_ptr(),
        verb: "read\0".as_ptr(),
        args: &GET_ARGS as *const Table<[Arg; 1]> as *const Arg,
        arg_count: 1,
        arg_stride: size_of::<Arg>() as u32,
        run: get,
    },
]);

static TYPES: Table<[Type; 1]> = Table([Type {
    size: size_of::<Type>() as u32,
    version: 1,
    name: "counter.number\0".as_ptr(),
    help: "a number that is added to\0".as_ptr(),
    alarm: null(),
    flags: 0,
    reserved0: 0,
}]);

static MODULE: Table<Module> = Table(Module {
    size: size_of::<Module>() as u32,
    abi: ABI,
    abi_min: ABI,
    flags: 0,
    name: "counter\0".as_ptr(),
    version: "1\0".as_ptr(),
    needs: null(),
    commands: &COMMANDS as *const Table<[Command; 2]> as *const Command,
    command_count: 2,
    command_stride: size_of::<Command>() as u32,
    types: &TYPES as *const Table<[Type; 1]> as *const Type,
    type_count: 1,
    type_stride: size_of::<Type>() as u32,
    options: null(),
    option_count: 0,
    option_stride: 0,
    metrics: null(),
    metric_count: 0,
    metric_stride: 0,
    listeners: null(),
    listener_count: 0,
    listener_stride: 0,
    load,
    start: null(),
    drain: null(),
    unload: Some(unload),
    option_changed: null(),
    session_ended: null(),
    extension: null(),
});

#[no_mangle]
pub extern "C" fn wherry_module_query(_host_abi: u32) -> *const Module {
    &MODULE.0
}

extern "C" {
    fn abort() -> !;
}

#[panic_handler]
fn panic(_: &core::panic::PanicInfo) -> ! {
    unsafe { abort() }
}
