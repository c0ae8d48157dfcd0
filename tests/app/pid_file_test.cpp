#include "ringmaster/app/pid_file.hpp"

#include <fstream>
#include <string>
#include <sys/wait.h>
#include <unistd.h>

#include "scratch_directory.hpp"
#include <gtest/gtest.h>

namespace ringmaster::app {
namespace {

class PidFileTest : public testing::Test {
  protected:
    std::string first_line() const {
        std::string line;
        std::getline(std::ifstream(path_), line);
        return line;
    }

    ScratchDirectory directory_;
    std::filesystem::path path_ = directory_.path() / "pid";
};

TEST_F(PidFileTest, IsThereForItsLife) {
    directory_.write("pid", "99999\nof a dead one\n");
    {
        auto written = PidFile::write(path_);
        ASSERT_TRUE(written) << written.error().message;
        const PidFile moved = *std::move(written);
        EXPECT_EQ(first_line(), std::to_string(::getpid()));
    }
    EXPECT_FALSE(std::filesystem::exists(path_));
}

TEST_F(PidFileTest, IsNotAChilds) {
    const auto written = PidFile::write(path_);
    ASSERT_TRUE(written);
    const pid_t child = ::fork();
    if (child == 0) {
        written->~PidFile();
        ::_exit(0);
    }
    ASSERT_EQ(::waitpid(child, nullptr, 0), child);
    EXPECT_EQ(first_line(), std::to_string(::getpid()));
}

TEST_F(PidFileTest, NeedNotBe) {
    EXPECT_TRUE(PidFile::write(""));
}

TEST_F(PidFileTest, TellsWhyItCantBeWritten) {
    const auto nowhere = directory_.path() / "nowhere/pid";
    const auto written = PidFile::write(nowhere);
    ASSERT_FALSE(written);
    EXPECT_EQ(written.error().message,
              "the pid file " + nowhere.string() + " can't be written: No such file or directory");
}

}  // namespace
}  // namespace ringmaster::app
