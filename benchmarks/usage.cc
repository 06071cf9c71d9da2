#include "usage.h"

#include <unistd.h>

#include <fstream>
#include <limits>
#include <string>
#include <vector>

namespace hairpin::bench {
namespace {

double ticks_to_seconds(double ticks) { return ticks / static_cast<double>(sysconf(_SC_CLK_TCK)); }

std::string proc(pid_t pid, const std::string& file) { return "/proc/" + std::to_string(pid) + "/" + file; }

std::vector<pid_t> with_descendants(pid_t root) {
    std::vector<pid_t> found{root};
    for (size_t i = 0; i < found.size(); ++i) {
        std::ifstream children(proc(found[i], "task/" + std::to_string(found[i]) + "/children"));
        for (pid_t child = 0; children >> child;) found.push_back(child);
    }
    return found;
}

}  // namespace

double machine_cpu() {
    std::ifstream file("/proc/stat");
    std::string cpu;
    double user = 0, nice = 0, system = 0, idle = 0, iowait = 0, irq = 0, softirq = 0;
    file >> cpu >> user >> nice >> system >> idle >> iowait >> irq >> softirq;
    return ticks_to_seconds(user + nice + system + irq + softirq);
}

double process_cpu(pid_t root) {
    double ticks = 0;
    for (const pid_t pid : with_descendants(root)) {
        std::ifstream file(proc(pid, "stat"));
        file.ignore(std::numeric_limits<std::streamsize>::max(), ')');  // the name, which may hold blanks
        std::string field;
        for (int i = 3; i < 14; ++i) file >> field;
        double user = 0;
        double system = 0;
        file >> user >> system;
        ticks += user + system;
    }
    return ticks_to_seconds(ticks);
}

double process_memory(pid_t root) {
    double bytes = 0;
    for (const pid_t pid : with_descendants(root)) {
        std::ifstream file(proc(pid, "smaps_rollup"));
        for (std::string line; std::getline(file, line);) {
            if (line.starts_with("Pss:")) bytes += std::stod(line.substr(4)) * 1024;
        }
    }
    return bytes;
}

}  // namespace hairpin::bench
