// PostgreSQL behind 1.0.0.1:5432, the first service of examples/hairpinning.yaml; clients.h has the picture.
#include <gtest/gtest.h>
#include <signal.h>

#include <fstream>

#include "config/config.h"
#include "engines/registry.h"
#include "programs/clients.h"
#include "support/program.h"
#include "support/test_lab.h"

namespace hairpin {
namespace {

const std::string example = HAIRPIN_SOURCE_DIR "/examples/hairpinning.yaml";

// A new, empty database cluster, served on 10.0.0.2:54321 as long as this object lives.
class Server {
public:
    explicit Server(const lab::Host& host) {
        // The server refuses to run as root.
        output_of(host, unprivileged({path_of("initdb"), "--pgdata", data_, "--username=postgres", "--auth=trust",
                                      "--no-locale", "--encoding=UTF8", "--no-sync"}));
        std::ofstream(data_ + "/pg_hba.conf") << "host all all all trust\n";
        std::ofstream(data_ + "/postgresql.conf") << "listen_addresses = '10.0.0.2'\n"
                                                     "port = 54321\n"
                                                     "unix_socket_directories = ''\n"
                                                     "fsync = off\n"
                                                     "dynamic_shared_memory_type = mmap\n";  // files, not /dev/shm
        process_ = start_server(host, unprivileged({path_of("postgres"), "-D", data_}),
                                "database system is ready to accept connections");
    }
    ~Server() {
        // Killed, it would leave its children to find that out by themselves.
        if (!process_) return;
        process_->signal(SIGQUIT);
        EXPECT_TRUE(process_->wait(patience)) << process_->output();
    }

    explicit operator bool() const { return process_ != nullptr; }

private:
    TemporaryDirectory directory_;
    const std::string data_ = directory_ / "data";
    std::unique_ptr<lab::Process> process_;
};

class PostgreSQL : public testing::TestWithParam<std::string> {
protected:
    void SetUp() override {
        need_programs({"initdb", "postgres", "psql", "pgbench"});
        if (IsSkipped() || HasFatalFailure()) return;
        std::ifstream file(example);
        const std::string yaml(std::istreambuf_iterator<char>(file), {});
        lab_ = std::make_unique<TestLab>(yaml, GetParam(), TestLab::Backends::none);
        ASSERT_TRUE(*lab_);
        server_ = std::make_unique<Server>(host("server1"));
        ASSERT_TRUE(*server_);
    }

    const lab::Host& host(std::string_view name) const { return (*lab_)->host(name); }

    std::string ask(std::string_view from, const std::string& query) const {
        return output_of(host(from), {path_of("psql"), "--no-psqlrc", "--no-align", "--tuples-only",
                                      "host=1.0.0.1 port=5432 user=postgres dbname=postgres", "--command", query});
    }

    std::string bench(std::string_view from, std::vector<std::string> arguments) const {
        std::vector<std::string> argv = {path_of("pgbench"), "--host=1.0.0.1", "--port=5432", "--username=postgres"};
        argv.insert(argv.end(), arguments.begin(), arguments.end());
        argv.push_back("postgres");
        return output_of(host(from), argv);
    }

    std::unique_ptr<TestLab> lab_;
    std::unique_ptr<Server> server_;
};

TEST_P(PostgreSQL, AnswersEveryClientAndSeesTheAddressThatTranslateForetells) {
    const Ruleset ruleset(load_config(example).services);
    const Abilities abilities = find_engine(GetParam())->make({})->abilities();
    for (const Client& client : clients) {
        SCOPED_TRACE(name(client.path));
        const Leg asked{Protocol::tcp, {*Ip::parse(client.address), 40000}, *Endpoint::parse("1.0.0.1:5432")};
        const auto flow = translate(ruleset, (*lab_)->plan().topology, asked, {}, abilities);
        ASSERT_TRUE(flow);
        EXPECT_EQ(flow->path, client.path);
        EXPECT_EQ(ask(client.host, "SELECT client_addr FROM pg_stat_activity WHERE pid = pg_backend_pid()"),
                  flow->backend.source.ip.str() + "\n");
        EXPECT_EQ(ask(client.host, "SELECT inet_server_addr(), inet_server_port()"), "10.0.0.2|54321\n");
        EXPECT_EQ(lab_->stats("srv1").accepted_on(client.path), 2u);
    }
}

TEST_P(PostgreSQL, LosesNoTransactionOfPgbench) {
    bench("client", {"--initialize", "--scale=1", "--quiet"});
    for (const char* from : {"client", "server2", "server1"}) {
        SCOPED_TRACE(from);
        const std::string report = bench(from, {"--client=4", "--time=3", "--no-vacuum"});
        EXPECT_NE(report.find("number of failed transactions: 0 "), report.npos) << report;
        EXPECT_EQ(report.find("number of transactions actually processed: 0\n"), report.npos) << report;
    }
    // What was written through the gateway adds up: a transaction adds its delta to an account and to a branch.
    EXPECT_EQ(ask("routed",
                  "SELECT count(*) > 0 AND sum(delta) = (SELECT sum(abalance) FROM pgbench_accounts)"
                  " AND sum(delta) = (SELECT sum(bbalance) FROM pgbench_branches) FROM pgbench_history"),
              "t\n");
    EXPECT_EQ(lab_->stats("srv1").refused, ServiceStats{}.refused);
}

INSTANTIATE_TEST_SUITE_P(Every, PostgreSQL, testing::ValuesIn(engine_names()));

}  // namespace
}  // namespace hairpin
