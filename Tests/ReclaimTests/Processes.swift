import Foundation

/// Makes a named pipe.
func makeFIFO(_ path: String) -> Bool {
    unsafe mkfifo(path, 0o600) == 0
}

/// Waits for a child of this process; true when it has ended.
func waitForEnd(of process: Int32) -> Bool {
    var status: Int32 = 0
    return unsafe waitpid(process, &status, 0) == process
}
